--- Calls `use(keep)`. In the end it stops every server that was passed to `keep`, even after an
-- error.

return function(use)
  local kept = {}
  local ok, result = pcall(use, function(thing)
    kept[#kept + 1] = thing
    return thing
  end)
  for _, thing in ipairs(kept) do
    thing:stop()
  end
  if not ok then
    error(result, 0)
  end
  return result
end
