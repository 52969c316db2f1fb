(class_declaration name: (_) @name) @class
(class name: (_) @name) @class
(function_declaration name: (identifier) @name) @function
(generator_function_declaration name: (identifier) @name) @function
(method_definition name: [(property_identifier) (private_property_identifier)] @name) @method
(variable_declarator name: (identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @function
(variable_declarator name: (identifier) @name value: (class)) @class
(assignment_expression
  left: [(identifier) @name (member_expression property: (property_identifier) @name)]
  right: [(arrow_function) (function_expression) (generator_function)]) @function
(assignment_expression
  left: [(identifier) @name (member_expression property: (property_identifier) @name)]
  right: (class)) @class
(pair key: (property_identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @method
(field_definition property: [(property_identifier) (private_property_identifier)] @name
  value: [(arrow_function) (function_expression)]) @method
(program [
  (lexical_declaration (variable_declarator name: (identifier) @name
    value: [(number) (string) (template_string) (object) (array) (call_expression) (new_expression) (regex) (true)
            (false) (binary_expression) (identifier) (member_expression) (unary_expression) (await_expression)]) @variable)
  (export_statement declaration: (lexical_declaration (variable_declarator name: (identifier) @name
    value: [(number) (string) (template_string) (object) (array) (call_expression) (new_expression) (regex) (true)
            (false) (binary_expression) (identifier) (member_expression) (unary_expression) (await_expression)]) @variable))
])
(program (variable_declaration (variable_declarator name: (identifier) @name)) @variable)
