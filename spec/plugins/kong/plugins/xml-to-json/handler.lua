-- Answers with JSON where the service sends XML. Written for gateways before 3.0.

local BasePlugin = require "kong.plugins.base_plugin"
local cjson = require "cjson"

local kong = kong
local find = string.find
local gsub = string.gsub
local lower = string.lower
local sub = string.sub
local next = next


local XmlToJson = BasePlugin:extend()

XmlToJson.PRIORITY = 990
XmlToJson.VERSION = "0.9.0"

local ENTITIES = { lt = "<", gt = ">", amp = "&", quot = '"', apos = "'" }


function XmlToJson:new()
  XmlToJson.super.new(self, "xml-to-json")
end


local function unescape(text)
  return (gsub(text, "&(%w+);", ENTITIES))
end


local function trim(text)
  return (gsub(gsub(text, "^%s+", ""), "%s+$", ""))
end


local function read_attributes(text, prefix)
  local node = {}
  for name, _, value in text:gmatch("([%w_:.-]+)%s*=%s*([\"'])(.-)%2") do
    node[prefix .. name] = unescape(value)
  end
  return node
end


local function add_child(node, name, value)
  local there = node[name]
  if there == nil then
    node[name] = value
  elseif type(there) == "table" and there[1] ~= nil then
    there[#there + 1] = value
  else
    node[name] = { there, value }
  end
end


-- The value of an element: its text, if it has nothing else.
local function close(element, conf)
  local text = trim(element.text)
  if next(element.node) == nil then
    return unescape(text)
  end
  if text ~= "" then
    element.node[conf.text_key] = unescape(text)
  end
  return element.node
end


local function parse(xml, conf)
  xml = gsub(gsub(xml, "<%?.-%?>", ""), "<!%-%-.-%-%->", "")
  local root = { node = {}, text = "" }
  local stack = { root }
  local at = 1
  while true do
    local first, last, closing, name, attributes, empty =
      find(xml, "<(/?)([%w_:.-]+)(.-)(/?)>", at)
    if not first then
      break
    end
    local top = stack[#stack]
    top.text = top.text .. sub(xml, at, first - 1)
    if closing == "/" then
      if top.name ~= name then
        return nil, "unexpected </" .. name .. ">"
      end
      stack[#stack] = nil
      add_child(stack[#stack].node, name, close(top, conf))
    else
      local element = { name = name, text = "",
                        node = read_attributes(attributes, conf.attribute_prefix) }
      if empty == "/" then
        add_child(top.node, name, close(element, conf))
      else
        stack[#stack + 1] = element
      end
    end
    at = last + 1
  end
  if #stack > 1 then
    return nil, "<" .. stack[#stack].name .. "> is not closed"
  end
  if next(root.node) == nil then
    return nil, "there is no element"
  end
  return root.node
end


function XmlToJson:access(conf)
  XmlToJson.super.access(self)
  if conf.send_accept then
    kong.service.request.set_header("Accept", "application/xml")
  end
end


function XmlToJson:header_filter(conf)
  XmlToJson.super.header_filter(self)
  local content_type = kong.response.get_header("Content-Type")
  if kong.response.get_source() == "service" and content_type
    and find(lower(content_type), "[/+]xml") and not kong.response.get_header("Content-Encoding")
  then
    kong.ctx.plugin.convert = true
    kong.response.clear_header("Content-Length")
    kong.response.set_header("Content-Type", "application/json")
  end
end


function XmlToJson:body_filter(conf)
  XmlToJson.super.body_filter(self)
  if not kong.ctx.plugin.convert then
    return
  end
  local xml = kong.response.get_raw_body()
  if xml then
    local document, err = parse(xml, conf)
    if not document then
      kong.log.err("no XML: ", err)
      document = { error = "the service has sent no XML" }
    end
    kong.response.set_raw_body(cjson.encode(document))
  end
end


return XmlToJson
