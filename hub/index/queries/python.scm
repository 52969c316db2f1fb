(class_definition name: (identifier) @name) @class
(function_definition name: (identifier) @name) @function
(module (expression_statement (assignment left: [(identifier) @name (pattern_list (identifier) @name)]) @variable))
(class_definition body: (block (expression_statement
  (assignment left: [(identifier) @name (pattern_list (identifier) @name)]) @variable)))
; What a module defines depending on where it runs.
(module [
  (if_statement [
    (block (expression_statement (assignment left: (identifier) @name) @variable))
    (_ (block (expression_statement (assignment left: (identifier) @name) @variable)))])
  (try_statement [
    (block (expression_statement (assignment left: (identifier) @name) @variable))
    (_ (block (expression_statement (assignment left: (identifier) @name) @variable)))])])
(type_alias_statement left: (type (identifier) @name)) @type
