--- Reads the functions and classes in the files of types/.

local _M = {}


--- Reads `a, b?` as a list of { name =, optional = }.
function _M.parameters(text)
  local list = {}
  for name, mark in text:gmatch("([%w_]+)(%??)") do
    list[#list + 1] = { name = name, optional = mark == "?" }
  end
  return list
end


-- Returns the name of a result. It follows the type, which may have spaces between brackets.
local function return_name(text)
  return (text:gsub("%b<>", ""):gsub("%b()", ""):match("^%S+%s+([%w_]+)"))
end


--- Replaces line ends and several spaces with one space.
function _M.flat(text)
  return (text:gsub("%s+", " "))
end


local function read_block(lines)
  local block = { text = {}, params = {}, returns = {}, overloads = {}, fields = {} }
  for _, line in ipairs(lines) do
    local tag, rest = line:match("^@(%w+)%s*(.*)$")
    if not tag then
      block.text[#block.text + 1] = line
    elseif tag == "param" and rest:find("^%.%.%.") then
      block.is_vararg = true
    elseif tag == "param" then
      block.params[#block.params + 1] = _M.parameters(rest:match("^[%w_]+%??"))[1]
    elseif tag == "return" then
      block.returns[#block.returns + 1] = return_name(rest)
    elseif tag == "overload" then
      block.overloads[#block.overloads + 1] = rest
    elseif tag == "class" then
      block.class = rest:match("^[%w_.]+")
    elseif tag == "meta" then
      block.meta = rest
    elseif tag == "field" then
      local name = rest:match("^([%w_]+)") or rest:match("^%b[]")
      block.fields[name] = rest:match("^[%w_]+%??%s+(.*)$") or rest
    end
  end
  block.text = table.concat(block.text, "\n")
  return block
end


--- Reads a file: `meta`, `functions` ({ owner, name, arguments, params, returns, overloads, text }
-- by "owner.name"), `classes` (fields by name).
function _M.read(path)
  local file = { functions = {}, classes = {} }
  local lines = {}
  for line in io.lines(path) do
    local comment = line:match("^%-%-%-(.*)$")
    if comment then
      lines[#lines + 1] = comment
    else
      local block = read_block(lines)
      local owner, name, arguments = line:match("^function ([%w_]+)%.([%w_]+)%((.-)%) end$")
      if name then
        block.owner, block.name = owner, name
        block.arguments = {}
        for argument in arguments:gmatch("[%w_]+") do
          block.arguments[#block.arguments + 1] = argument
        end
        file.functions[owner .. "." .. name] = block
      elseif line:find("^function") then
        error(path .. ": cannot read: " .. line)
      end
      file.meta = file.meta or block.meta
      if block.class then
        file.classes[block.class] = block.fields
      end
      lines = {}
    end
  end
  return file
end


return _M
