--- Reads the Markdown files of the project: headings, links, and blocks of code.

local _M = {}


--- Returns the content of a file, or nil if it does not exist.
function _M.text(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text
end


--- Returns the paths of all Markdown files for readers, in order: those of the project, or of
-- another folder, relative to it.
function _M.all(dir)
  local paths = {}
  local command = "ls *.md; find docs examples bench -name '*.md' ! -path 'docs/site/*' | sort"
  local pipe = assert(io.popen("cd '" .. (dir or ".") .. "' && { " .. command .. "; }"))
  for path in pipe:lines() do
    paths[#paths + 1] = path
  end
  pipe:close()
  return paths
end


--- Returns the messages that a text explains, as a set: headings and rows of tables that begin with
-- code. The chapters may begin after one heading and end before another.
function _M.messages(text, from, to)
  local first = from and assert(text:find("\n## " .. from .. "\n", 1, true), from) or 1
  local last = to and assert(text:find("\n## " .. to .. "\n", first + 1, true), to) or #text
  local messages = {}
  for line in text:sub(first, last):gmatch("[^\n]+") do
    local message = line:match("^### `(.*)`$") or line:match("^| `(.-)` |")
    if message then
      messages[message] = true
    end
  end
  return messages
end


--- Returns a pattern for a message in which `<name>` stands for any text.
function _M.pattern_of(message)
  return (message:gsub("%p", "%%%0"):gsub("%%<%l+%%>", ".-"))
end


-- Returns GitHub's anchor for a heading. For these headings, mdBook's is the same.
local function anchor(heading)
  return (heading:gsub("%[([^%]]*)%]%([^)]*%)", "%1"):lower():gsub("[^%w_%- ]", ""):gsub(" ", "-"))
end


--- Reads a file: `anchors` is a set; `links` is a list of { line, target }; `blocks` is a list of {
-- line, language, text, name }; `inline` has the code between backticks. If the line before a block
-- ends with a colon, the name of the block is the last code between backticks in this line.
function _M.read(path)
  local document = { path = path, anchors = {}, links = {}, blocks = {}, inline = {} }
  local number, block, name = 0, nil, nil
  for line in (assert(_M.text(path), path) .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    local language = line:match("^```(.*)$")
    if block then
      if language then
        block.text = table.concat(block, "\n") .. "\n"
        block = nil
      else
        block[#block + 1] = line
      end
    elseif language then
      block = { line = number, language = language, name = name }
      table.insert(document.blocks, block)
    else
      local heading = line:match("^#+ (.*)$")
      if heading then
        document.anchors[anchor(heading)] = true
      end
      for code in line:gmatch("`([^`]+)`") do
        table.insert(document.inline, code)
      end
      for target in line:gsub("`[^`]*`", ""):gmatch("%]%(([^)%s]+)%)") do
        table.insert(document.links, { line = number, target = target })
      end
      for target in line:gmatch('src%l*="([^"]+)"') do
        table.insert(document.links, { line = number, target = target })
      end
      if line ~= "" then
        name = line:match("`([^`]+)`[^`]*:$")
      end
    end
  end
  assert(not block, path .. " ends inside of a fence")
  return document
end


local function first(document, list, matches, what)
  for _, item in ipairs(list) do
    if matches(item) then
      return item
    end
  end
  error(document.path .. " has no " .. what, 3)
end


--- Returns the text of the block with a name.
function _M.block(document, name)
  return first(document, document.blocks, function(block)
    return block.name == name
  end, "block named " .. name).text
end


--- Returns the text of the first block that matches the pattern.
function _M.find(document, pattern)
  return first(document, document.blocks, function(block)
    return block.text:find(pattern)
  end, "block with " .. pattern).text
end


--- Returns the first code between backticks that matches the pattern.
function _M.inline(document, pattern)
  return first(document, document.inline, function(code)
    return code:find(pattern)
  end, "code " .. pattern)
end


--- Returns the commands of blocks that show `$ command` and its output: { line, command, output }.
function _M.commands(document)
  local commands = {}
  for _, block in ipairs(document.blocks) do
    for i, line in ipairs(block) do
      local command = line:match("^%$ (.*)$")
      if command then
        commands[#commands + 1] = { line = block.line + i, command = command, output = "" }
      elseif commands[#commands] and block[1]:find("^%$ ") then
        local last = commands[#commands]
        last.output = last.output .. line .. "\n"
      end
    end
  end
  return commands
end


--- Returns `README.md` for `docs/../README.md`.
local function resolve(from, target)
  local parts = {}
  for part in (from:gsub("[^/]*$", "") .. target):gmatch("[^/]+") do
    if part == ".." then
      assert(table.remove(parts), "out of the project")
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, "/")
end


--- Returns the broken links between the files of `all`, in order, and the number of all links.
function _M.broken_links(dir)
  local read, broken, count = {}, {}, 0
  local below = dir and dir .. "/" or ""
  for _, path in ipairs(_M.all(dir)) do
    read[path] = _M.read(below .. path)
  end
  for path, document in pairs(read) do
    for _, link in ipairs(document.links) do
      if not link.target:find("^%a+://") then
        count = count + 1
        local file, place = link.target:match("^([^#]*)#?(.*)$")
        local target = file == "" and path or resolve(path, file)
        if not _M.text(below .. target) then
          broken[#broken + 1] = path .. ":" .. link.line .. ": no file " .. target
        elseif place ~= "" and not (read[target] and read[target].anchors[place]) then
          broken[#broken + 1] = path .. ":" .. link.line .. ": no heading " .. link.target
        end
      end
    end
  end
  table.sort(broken)
  return broken, count
end


return _M
