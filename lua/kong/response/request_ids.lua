--- For each table of the thirteen functions, a function for the life cycle that returns the id in
-- error documents: `request_id() -> string|nil|false`. False means nginx's id.

return setmetatable({}, { __mode = "k" })
