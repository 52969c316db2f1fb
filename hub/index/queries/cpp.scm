(namespace_definition name: (_) @name) @module
(class_specifier name: [(type_identifier) @name (template_type name: (type_identifier) @name)
  (qualified_identifier name: (type_identifier) @name)] body: (_)) @class
(struct_specifier name: [(type_identifier) @name (template_type name: (type_identifier) @name)
  (qualified_identifier name: (type_identifier) @name)] body: (_)) @struct
(union_specifier name: (type_identifier) @name body: (_)) @union
(enum_specifier name: (type_identifier) @name body: (_)) @enum
(enumerator name: (identifier) @name) @constant
(concept_definition name: (identifier) @name) @type
(function_definition declarator: [
  (function_declarator declarator: [(identifier) (field_identifier) (destructor_name) (operator_name)
                                    (qualified_identifier)] @name)
  (pointer_declarator declarator: (function_declarator declarator: [
    (identifier) (field_identifier) (operator_name) (qualified_identifier)] @name))
  (reference_declarator (function_declarator declarator: [
    (identifier) (field_identifier) (operator_name) (qualified_identifier)] @name))
  (pointer_declarator declarator: (pointer_declarator declarator: (function_declarator declarator: [
    (identifier) (field_identifier) (qualified_identifier)] @name)))
  (operator_cast) @name
  (qualified_identifier) @name]) @function
(field_declaration declarator: [
  (function_declarator declarator: (field_identifier) @name)
  (pointer_declarator declarator: (function_declarator declarator: (field_identifier) @name))
  (reference_declarator (function_declarator declarator: (field_identifier) @name))]) @method
(alias_declaration name: (type_identifier) @name) @type
(type_definition declarator: [
  (type_identifier) @name
  (pointer_declarator declarator: (type_identifier) @name)
  (array_declarator declarator: (type_identifier) @name)
  (function_declarator declarator: (type_identifier) @name)
  (function_declarator declarator: (parenthesized_declarator (type_identifier) @name))
  (function_declarator declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name)))]) @type
(translation_unit (declaration declarator: (init_declarator declarator: [
  (identifier) @name
  (pointer_declarator declarator: (identifier) @name)
  (array_declarator declarator: (identifier) @name)])) @variable)
