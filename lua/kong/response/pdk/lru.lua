--- A table of a limited size. If it is full, it removes the entry that was used least recently.

local setmetatable = setmetatable


local Lru = {}
Lru.__index = Lru


local function unlink(entry)
  entry.before.after, entry.after.before = entry.after, entry.before
end


local function link_after(entry, place)
  entry.before, entry.after = place, place.after
  place.after.before = entry
  place.after = entry
end


--- Returns the entry of a key, or nil. The entry counts as used.
function Lru:get(key)
  local entry = self.entries[key]
  if entry then
    unlink(entry)
    link_after(entry, self.ring)
  end
  return entry
end


--- Returns the entry of a key, or nil. The entry does not count as used.
function Lru:peek(key)
  return self.entries[key]
end


--- Stores an entry. The entry is a table, and gets the fields `key`, `before` and `after`.
function Lru:set(key, entry)
  self:delete(key)
  while self.count >= self.size and self.count > 0 do
    self:delete(self.ring.before.key)
  end
  entry.key = key
  self.entries[key] = entry
  link_after(entry, self.ring)
  self.count = self.count + 1
end


function Lru:delete(key)
  local entry = self.entries[key]
  if entry then
    unlink(entry)
    self.entries[key] = nil
    self.count = self.count - 1
  end
end


function Lru:clear()
  local ring = {}
  ring.before, ring.after = ring, ring
  self.ring, self.entries, self.count = ring, {}, 0
end


--- Makes a table for at most `size` entries.
return function(size)
  local lru = setmetatable({ size = size }, Lru)
  lru:clear()
  return lru
end
