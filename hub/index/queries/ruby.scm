(module name: [(constant) @name (scope_resolution name: (_) @name)]) @module
(class name: [(constant) @name (scope_resolution name: (_) @name)]) @class
(method name: (_) @name) @method
(singleton_method name: (_) @name) @method
(alias name: (_) @name) @method
(program (assignment left: (constant) @name) @constant)
(body_statement (assignment left: (constant) @name) @constant)
