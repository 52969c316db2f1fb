"""The API's document (OpenAPI 3.1): what each route takes and answers, one table a family; `document` joins them."""
