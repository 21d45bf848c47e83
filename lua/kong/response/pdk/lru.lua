--- A table of a limited size: the entry that was used least recently goes first.

local setmetatable = setmetatable


local Lru = {}
Lru.__index = Lru


local function unlink(entry)
  entry.before.after, entry.after.before = entry.after, entry.before
end


local function link_behind(entry, place)
  entry.before, entry.after = place, place.after
  place.after.before = entry
  place.after = entry
end


--- The entry of a key, which counts as used; nil if there is none.
function Lru:get(key)
  local entry = self.entries[key]
  if entry then
    unlink(entry)
    link_behind(entry, self.ring)
  end
  return entry
end


--- The entry of a key, as it is.
function Lru:peek(key)
  return self.entries[key]
end


--- Stores an entry, a table that this one may add fields to.
function Lru:set(key, entry)
  self:delete(key)
  if self.count >= self.size then
    self:delete(self.ring.before.key)
  end
  entry.key = key
  self.entries[key] = entry
  link_behind(entry, self.ring)
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


--- Makes a table for so many entries.
return function(size)
  local lru = setmetatable({ size = size }, Lru)
  lru:clear()
  return lru
end
