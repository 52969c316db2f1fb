(class_declaration name: (type_identifier) @name) @class
(class name: (type_identifier) @name) @class
(abstract_class_declaration name: (type_identifier) @name) @class
(interface_declaration name: (type_identifier) @name) @interface
(type_alias_declaration name: (type_identifier) @name) @type
(enum_declaration name: (identifier) @name) @enum
(enum_body name: (property_identifier) @name @constant)
(enum_assignment name: (property_identifier) @name) @constant
(internal_module name: [(identifier) (nested_identifier) (string)] @name) @module
(module name: [(identifier) (nested_identifier) (string)] @name) @module
(function_declaration name: (identifier) @name) @function
(generator_function_declaration name: (identifier) @name) @function
(function_signature name: (identifier) @name) @function
(method_definition name: [(property_identifier) (private_property_identifier)] @name) @method
(method_signature name: (property_identifier) @name) @method
(abstract_method_signature name: (property_identifier) @name) @method
(variable_declarator name: (identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @function
(variable_declarator name: (identifier) @name value: (class)) @class
(assignment_expression
  left: [(identifier) @name (member_expression property: (property_identifier) @name)]
  right: [(arrow_function) (function_expression) (generator_function)]) @function
(pair key: (property_identifier) @name
  value: [(arrow_function) (function_expression) (generator_function)]) @method
(public_field_definition name: [(property_identifier) (private_property_identifier)] @name
  value: [(arrow_function) (function_expression)]) @method
(program [
  (lexical_declaration (variable_declarator name: (identifier) @name
    value: [(number) (string) (template_string) (object) (array) (call_expression) (new_expression) (regex) (true)
            (false) (binary_expression) (identifier) (member_expression) (unary_expression) (as_expression)
            (satisfies_expression) (await_expression)]) @variable)
  (export_statement declaration: (lexical_declaration (variable_declarator name: (identifier) @name
    value: [(number) (string) (template_string) (object) (array) (call_expression) (new_expression) (regex) (true)
            (false) (binary_expression) (identifier) (member_expression) (unary_expression) (as_expression)
            (satisfies_expression) (await_expression)]) @variable))
])
(program (variable_declaration (variable_declarator name: (identifier) @name)) @variable)
