--- The phases in which the life cycle and the test kit call methods of plugins.

local ipairs = ipairs


local _M = {
  --- The phases of a request in which plugins run, in their order.
  OF_REQUEST = { "rewrite", "access", "response", "header_filter", "body_filter", "log" },

  --- The phases of a worker.
  OF_WORKER = { "init_worker", "configure" },
}


--- Whether a table is a plugin itself, not an entry with a plugin in its field `plugin`.
function _M.is_plugin(given)
  if given.plugin ~= nil then
    return false
  end
  for _, phase in ipairs(_M.OF_REQUEST) do
    if given[phase] ~= nil then
      return true
    end
  end
  return given.PRIORITY ~= nil or given.VERSION ~= nil
end


return _M
