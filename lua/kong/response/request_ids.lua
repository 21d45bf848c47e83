--- Functions for the life cycle, by the table of the thirteen functions:
-- `request_id() -> string|nil|false` returns the id in error documents, or false for nginx's id.

return setmetatable({}, { __mode = "k" })
