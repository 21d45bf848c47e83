--- Draws the phases of a request and the functions that plugins may call in each:
-- docs/pictures/phases.svg, and phases-narrow.svg for phones. After a change, draw them again with
-- `luajit ci/phases_picture.lua docs/pictures`.

local concat = table.concat
local fmt = string.format


local GET = { "get_status", "get_header", "get_headers", "get_source" }
local SET = { "set_status", "set_header", "add_header", "clear_header", "set_headers" }
local EXIT = { "exit", "error" }
local BODY = { "get_raw_body", "set_raw_body" }

-- In the order of a request. `functions` are the groups that may be called.
local PHASES = {
  { name = "rewrite", functions = { SET, EXIT } },
  { name = "access", functions = { SET, EXIT } },
  { name = "balancer", functions = { SET, EXIT } },
  { name = "upstream", outside = true },
  { name = "response", optional = true, functions = { GET, SET, EXIT } },
  { name = "header_filter", functions = { GET, SET, EXIT } },
  { name = "body_filter", functions = { GET, BODY } },
  { name = "log", functions = { GET } },
}

local CLASS = { [GET] = "get", [SET] = "set", [EXIT] = "exit", [BODY] = "body" }

-- In a page whose theme differs from the system's, the background keeps the text readable.
local STYLE = [[
<style>
.back { fill: #ffffff; stroke: #d0d7de }
text { fill: #1b1f24; font-size: 14px;
font-family: "Segoe UI", Roboto, Helvetica, "DejaVu Sans", sans-serif }
.code { font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 14px }
.name { font-size: 13px; font-weight: bold }
.small { font-size: 12.5px }
.phase { fill: #e6effc; stroke: #2f5fb3 }
.outside { fill: #f2f3f5; stroke: #6b7280; stroke-dasharray: 5 4 }
.get { fill: #e9e6fb; stroke: #5b4fc7 }
.set { fill: #dcf3e1; stroke: #1a7f37 }
.exit { fill: #fdebd8; stroke: #b35900 }
.body { fill: #fbe4ef; stroke: #b0307a }
.line { fill: none; stroke: #4b5563; stroke-width: 1.5; marker-end: url(#arrow) }
.way { fill: none; stroke: #b35900; stroke-width: 2; marker-end: url(#exit-arrow) }
.arrow { fill: #4b5563 }
.exit-arrow { fill: #b35900 }
@media (prefers-color-scheme: dark) {
.back { fill: #161b22; stroke: #3d444d }
text { fill: #e6edf3 }
.phase { fill: #1c2f4d; stroke: #79a6f2 }
.outside { fill: #23282f; stroke: #9aa4b0 }
.get { fill: #2d2a52; stroke: #a79df5 }
.set { fill: #173824; stroke: #57c271 }
.exit { fill: #46300f; stroke: #f0a95a }
.body { fill: #46203a; stroke: #ec86bb }
.line { stroke: #b1bac4 }
.way { stroke: #f0a95a }
.arrow { fill: #b1bac4 }
.exit-arrow { fill: #f0a95a }
}
</style>
<defs>
<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
orient="auto">
<path class="arrow" d="M0 0L8 4L0 8z"/></marker>
<marker id="exit-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" markerHeight="5"
orient="auto">
<path class="exit-arrow" d="M0 0L8 4L0 8z"/></marker>
</defs>
]]

local TITLE = "The phases of a request, the functions of kong.response in each, and where exit goes"


local function picture(width, height)
  local lines = {
    fmt('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d"'
        .. ' role="img">', width, height, width, height),
    "<title>" .. TITLE .. "</title>",
    STYLE .. fmt('<rect class="back" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>',
                 width - 1, height - 1),
  }
  local self = {}

  function self.box(class, x, y, w, h)
    lines[#lines + 1] = fmt('<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="5"/>',
                            class, x, y, w, h)
  end

  function self.text(x, y, text, class, anchor)
    lines[#lines + 1] = fmt('<text x="%d" y="%d"%s%s>%s</text>', x, y,
      class and ' class="' .. class .. '"' or "",
      anchor and ' text-anchor="' .. anchor .. '"' or "", text)
  end

  function self.path(class, d)
    lines[#lines + 1] = fmt('<path class="%s" d="%s"/>', class, d)
  end

  function self.done()
    return concat(lines, "\n") .. "\n</svg>\n"
  end

  return self
end


local function has(phase, group)
  for _, functions in ipairs(phase.functions or {}) do
    if functions == group then
      return true
    end
  end
  return false
end


-- The neighbouring phases with a group: { first, last }.
local function spans(group)
  local found, first = {}, nil
  for i = 1, #PHASES + 1 do
    local inside = PHASES[i] and has(PHASES[i], group)
    if inside and not first then
      first = i
    elseif first and not inside then
      found[#found + 1] = { first, i - 1 }
      first = nil
    end
  end
  return found
end


-- Words in lines of so many letters at most.
local function wrapped(words, letters)
  local lines = {}
  for _, word in ipairs(words) do
    local last = lines[#lines]
    if last and #last + 1 + #word <= letters then
      lines[#lines] = last .. " " .. word
    else
      lines[#lines + 1] = word
    end
  end
  return lines
end


local function wide()
  local COLUMN, BOX, LETTER, LINE = 121, 113, 8.6, 18
  local top, height = 70, 40
  local p = picture(1000, 408)
  local function left(i)
    return 18 + (i - 1) * COLUMN
  end
  local function middle(i)
    return left(i) + BOX / 2
  end

  for i, phase in ipairs(PHASES) do
    p.box(phase.outside and "outside" or "phase", left(i), top, BOX, height)
    p.text(middle(i), top + 25, phase.name, not phase.outside and "code name", "middle")
    if i > 1 then
      p.path("line", fmt("M%d %dH%d", left(i - 1) + BOX, top + height / 2, left(i)))
    end
  end

  p.path("way", fmt("M%d %dV34H%dV%d", middle(1), top, middle(6), top - 2))
  p.path("way", fmt("M%d %dV34", middle(2), top))
  local skips = "exit or error: the upstream is not called"
  p.text((middle(2) + middle(6)) / 2, 26, skips, nil, "middle")
  local bottom = top + height
  p.path("way", fmt("M%d %dV%dH%dV%d", middle(6), bottom, bottom + 16, middle(7), bottom + 2))
  p.text(middle(6) - 8, bottom + 20, "exit or error: body_filter sends the body", nil, "end")

  local y = 146
  for _, group in ipairs { SET, EXIT, GET, BODY } do
    local highest = 0
    local bars = spans(group)
    for _, bar in ipairs(bars) do
      bar.width = left(bar[2]) + BOX - left(bar[1])
      bar.text = wrapped(group, math.floor((bar.width - 12) / LETTER))
      highest = math.max(highest, #bar.text)
    end
    for _, bar in ipairs(bars) do
      p.box(CLASS[group], left(bar[1]), y, bar.width, highest * LINE + 10)
      for i, line in ipairs(bar.text) do
        p.text(left(bar[1]) + 8, y + 2 + i * LINE, line, "code")
      end
    end
    y = y + highest * LINE + 18
  end

  p.text(18, y + 14, "After exit or error, header_filter, body_filter and log run, as for a "
    .. "response of the upstream. In balancer, exit has no body.")
  p.text(18, y + 36, "response runs if a plugin has this method. In the phases error and "
    .. "admin_api, the functions of response may be called.")
  return p.done()
end


local function narrow()
  local ROW, BOX, LEFT = 62, 118, 32
  local p = picture(380, 676)
  local function top(i)
    return 16 + (i - 1) * ROW
  end

  for i, phase in ipairs(PHASES) do
    local y = top(i)
    p.box(phase.outside and "outside" or "phase", LEFT, y, BOX, 38)
    p.text(LEFT + BOX / 2, y + 24, phase.name, not phase.outside and "code name", "middle")
    if i > 1 then
      p.path("line", fmt("M%d %dV%d", LEFT + BOX / 2, top(i - 1) + 38, y))
    end
    local x = LEFT + BOX + 10
    for _, group in ipairs(phase.functions or {}) do
      local label = group == GET and "get_…" or group == SET and "set_…" or concat(group, " ")
      if group == BODY then
        for line, name in ipairs(group) do
          p.box("body", x, y - 5 + (line - 1) * 25, 104, 23)
          p.text(x + 5, y + 11 + (line - 1) * 25, name, "code small")
        end
      else
        local width = #label:gsub("…", ".") * 7.6 + 10
        p.box(CLASS[group], x, y + 7, width, 24)
        p.text(x + 5, y + 23, label, "code small")
        x = x + width + 5
      end
    end
  end

  p.path("way", fmt("M%d %dH12V%dH%d", LEFT, top(1) + 19, top(6) + 19, LEFT - 2))
  p.path("way", fmt("M%d %dH13", LEFT, top(2) + 19))

  local y = top(#PHASES) + 68
  local function note(class, ...)
    if class then
      p.box(class, 14, y - 12, 14, 14)
    end
    for _, line in ipairs { ... } do
      p.text(class and 36 or 14, y, line)
      y = y + 19
    end
    y = y + 3
  end
  note("get", "get_status, get_header, get_headers,", "get_source")
  note("set", "set_status, set_header, add_header,", "clear_header, set_headers")
  note("exit", "exit and error skip the upstream. In", "header_filter, body_filter sends the body.")
  note(nil, "In balancer, exit has no body.", "response runs if a plugin has this method.")
  return p.done()
end


local _M = { PHASES = PHASES, wide = wide, narrow = narrow }


if arg and arg[1] and arg[0]:find("phases_picture%.lua$") then
  for name, draw in pairs { ["phases.svg"] = wide, ["phases-narrow.svg"] = narrow } do
    local file = assert(io.open(arg[1] .. "/" .. name, "wb"))
    file:write(draw())
    file:close()
  end
end

return _M
