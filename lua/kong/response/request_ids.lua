--- For the life cycle, by the table of the thirteen functions: `request_id() -> string|nil|false`
-- says the id in its error documents; false where that is nginx's.

return setmetatable({}, { __mode = "k" })
