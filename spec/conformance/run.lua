--- Plays generated sequences in nginx and in memory, and compares everything that clients and
-- plugins see.

local facts = require "spec.support.facts"
local generate = require("spec.conformance.generate").generate
local memory = require "spec.conformance.memory"
local play = require "spec.conformance.play"
local values = require "spec.conformance.values"

local concat = table.concat
local fmt = string.format

local BATCH = 400
-- The maximum number of smaller sequences that it plays for a failure.
local MOST_TRIES = tonumber(os.getenv "TRIES" or "") or 3000
local PHASES = { "rewrite", "access", "content", "balancer", "header_filter", "body_filter", "log" }


--- Changes a header to the in-memory host's: there, the header Server is `nginx`.
local function header_line(header)
  local name, value = header[1], header[2]
  if name == "Date" and value:find("^%a%a%a, ") then
    value = "<date>"
  elseif name == "Server" and value == (facts.get "server_header" or ""):gsub("/.*", "") then
    value = "nginx"
  end
  return name .. ": " .. value
end


local function response_text(response)
  if response.closed then
    return "closed without a response"
  end
  local lines = { "status " .. tostring(response.status or response.line) }
  for _, header in ipairs(response.headers) do
    lines[#lines + 1] = header_line(header)
  end
  lines[#lines + 1] = "body " .. values.source(response.body)
  if response.surplus then
    lines[#lines + 1] = "and then " .. values.source(response.surplus)
  end
  return concat(lines, "\n")
end


--- Returns the first line that differs, from both texts.
local function first_difference(a, b)
  local from_a, from_b = a:gmatch("([^\n]*)\n?"), b:gmatch("([^\n]*)\n?")
  for _ = 1, 10000 do
    local line_a, line_b = from_a(), from_b()
    if line_a ~= line_b then
      return line_a or "(nothing)", line_b or "(nothing)"
    end
  end
end


--- Returns the difference between the outcomes of a case: in memory, and in nginx; nil if they are
-- equal.
local function difference(case)
  if case.memory_notes ~= case.notes then
    return first_difference(case.memory_notes, case.notes)
  end
  local a, b = response_text(case.expected), response_text(case.response)
  if a ~= b then
    return first_difference(a, b)
  end
end


--- Whether nginx would ever end the response.
local function ends(response)
  return response.closed or response.complete
end


-- Returns the difference, and whether nginx would end the response. Otherwise, nothing can be
-- compared.
local function try(client, sequence)
  local notes, expected = memory.run(sequence)
  if not ends(expected) then
    return nil, nil, false
  end
  local case = client:send_one(sequence, expected)
  case.memory_notes = notes
  local in_memory, in_nginx = difference(case)
  return in_memory, in_nginx, true
end


local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local new = {}
  for key, item in pairs(value) do
    new[key] = copy(item)
  end
  return new
end


--- Returns smaller values for a value.
local function smaller(value)
  local candidates = {}
  if type(value) == "string" and #value > 1 then
    candidates = { "", "x", value:sub(1, math.floor(#value / 2)) }
  elseif type(value) == "table" and not value.special then
    for key in pairs(value) do
      local less = copy(value)
      if type(key) == "number" and key <= #value then
        table.remove(less, key)
      else
        less[key] = nil
      end
      candidates[#candidates + 1] = less
    end
    for key, item in pairs(value) do
      for _, less_item in ipairs(smaller(item)) do
        local less = copy(value)
        less[key] = less_item
        candidates[#candidates + 1] = less
      end
    end
  end
  return candidates
end


--- Returns sequences that are a little smaller.
local function each_smaller(sequence)
  return coroutine.wrap(function()
    local function without(change)
      local less = copy(sequence)
      change(less)
      coroutine.yield(less)
    end
    for _, phase in ipairs(PHASES) do
      local lists = phase == "body_filter" and #sequence[phase] or 1
      for n = 1, sequence[phase] and lists or 0 do
        local function list_of(s)
          return phase == "body_filter" and s[phase][n] or s[phase]
        end
        local count = #list_of(sequence)
        if count > 1 then
          without(function(less)
            local list = list_of(less)
            for i = count, math.floor(count / 2) + 1, -1 do
              list[i] = nil
            end
          end)
          without(function(less)
            for _ = 1, math.floor(count / 2) do
              table.remove(list_of(less), 1)
            end
          end)
        end
        for i = count, 1, -1 do
          without(function(less)
            table.remove(list_of(less), i)
          end)
        end
      end
    end
    for i, header in ipairs(sequence.request.headers) do
      if header[1] ~= "Content-Length" then
        without(function(less)
          table.remove(less.request.headers, i)
        end)
      end
    end
    if sequence.request.body and sequence.request.body ~= "" then
      without(function(less)
        less.request.body = ""
        for _, header in ipairs(less.request.headers) do
          header[2] = header[1] == "Content-Length" and "0" or header[2]
        end
      end)
    end
    if sequence.request.path and sequence.request.path ~= "" then
      without(function(less)
        less.request.path = ""
      end)
    end
    for i = 1, sequence.upstream and #sequence.upstream.headers or 0 do
      without(function(less)
        table.remove(less.upstream.headers, i)
      end)
    end
    if sequence.upstream then
      without(function(less)
        less.upstream, less.balancer = nil, nil
        less.content = less.content or {}
      end)
    end
    for phase in pairs(sequence.phases) do
      without(function(less)
        less.phases[phase] = nil
      end)
    end
    if sequence.request.method ~= "GET" then
      without(function(less)
        less.request.method = "GET"
      end)
    end
    if sequence.request.version ~= 1.1 then
      without(function(less)
        less.request.version = 1.1
      end)
    end
    if sequence.kong then
      without(function(less)
        less.kong = false
      end)
    end
    if sequence.max_body_size then
      without(function(less)
        less.max_body_size = nil
      end)
    end
    for _, phase in ipairs(PHASES) do
      local lists = phase == "body_filter" and sequence[phase] or { sequence[phase] }
      for n, list in ipairs(lists) do
        for i, operation in ipairs(list) do
          for argument = 2, operation.n + 1 do
            for _, value in ipairs(smaller(operation[argument])) do
              without(function(less)
                local target = phase == "body_filter" and less[phase][n] or less[phase]
                target[i][argument] = value
              end)
            end
          end
        end
      end
    end
  end)
end


--- Returns the smallest sequence that still differs, and its difference.
local function shrink(client, sequence)
  local in_memory, in_nginx
  local tries, again = 0, true
  while again do
    again = false
    for less in each_smaller(sequence) do
      tries = tries + 1
      if tries > MOST_TRIES then
        return sequence, in_memory, in_nginx
      end
      local ok, a, b = pcall(try, client, less)
      if ok and a then
        sequence, in_memory, in_nginx, again = less, a, b, true
        break
      end
    end
  end
  return sequence, in_memory, in_nginx
end


local function operation_text(operation)
  local name, n = operation[1], operation.n
  local arguments = {}
  for i = 1, n do
    arguments[i] = operation[i + 1]
  end
  if name == "ngx.header" or name == "ngx.arg" then
    return fmt("see(%s[%s])", name, values.list(arguments, n))
  elseif name == "ngx.header=" or name == "ngx.arg=" then
    local index, value = values.source(arguments[1]), values.source(arguments[2])
    return fmt("%s[%s] = %s", name:sub(1, -2), index, value)
  elseif name == "ngx.status=" then
    return "ngx.status = " .. values.source(arguments[1])
  elseif name == "ngx.status" then
    return "see(ngx.status)"
  elseif name == "ngx.resp.get_headers" or name == "ngx.print" then
    return fmt("%s(%s)", name, values.list(arguments, n))
  elseif name == "send_response_body" then
    return "if ngx.ctx.response_body then ngx.arg[2] = true; ngx.arg[1] = ngx.ctx.response_body end"
  end
  local delayed = name:match("^delayed_(.*)")
  if delayed then
    return fmt("delayed(response.%s%s%s)", delayed, n > 0 and ", " or "", values.list(arguments, n))
  elseif name:find("^kong%.") then
    return fmt("%s(%s)", name, values.list(arguments, n))
  end
  return fmt("response.%s(%s)", name, values.list(arguments, n))
end


--- Returns a sequence as text for people.
local function text_of(sequence)
  local request = sequence.request
  local lines = { fmt("-- %s HTTP/%.1f", request.method, request.version) }
  if sequence.pdk then
    lines[1] = fmt("-- %s %s HTTP/%.1f of a client that is %strusted", request.method,
      values.source(play.target(sequence)), request.version, sequence.pdk.trusted and "" or "not ")
    lines[2] = "--   Host: " .. request.host
  end
  local function add(...)
    lines[#lines + 1] = fmt(...)
  end
  for _, header in ipairs(request.headers) do
    add("--   %s: %s", header[1], header[2])
  end
  if request.body then
    add("--   body %s", values.source(request.body))
  end
  if sequence.upstream then
    add("-- upstream: %d", sequence.upstream.status)
    for _, header in ipairs(sequence.upstream.headers) do
      add("--   %s: %s", header[1], header[2])
    end
    add("--   body %s", values.source(sequence.upstream.body))
  end
  add("-- the globals of a gateway: %s", sequence.kong and "yes" or "no")
  if sequence.max_body_size then
    add("-- max_body_size: %d", sequence.max_body_size)
  end
  for _, phase in ipairs(PHASES) do
    local lists = phase == "body_filter" and sequence[phase] or { sequence[phase] }
    for n, list in ipairs(lists) do
      if #list > 0 then
        local lie = sequence.phases[phase]
        add("function plugin:%s() --%s%s", phase, n > 1 and " from chunk " .. n or "",
          lie ~= nil and " with KONG_PHASE " .. values.source(lie) or "")
        for _, operation in ipairs(list) do
          add("  %s", operation_text(operation))
        end
        add("end")
      end
    end
  end
  return concat(lines, "\n")
end


--- Returns the message for a case with a difference.
local function report(client, seed, case, in_memory, in_nginx)
  local small, a, b = shrink(client, case.sequence)
  local text = fmt("seed %d, sequence %d\n%s\n-- in memory: %s\n-- in nginx:  %s", seed,
    case.index, text_of(small), a or in_memory, b or in_nginx)
  return a and text or text .. "\n-- (played once more, it agreed)"
end


--- Generates sequences from number `index` on and plays them in memory, until `count` of them have
-- a response that nginx would end. Returns these, the next number, and the number of the others.
local function generate_batch(seed, index, count)
  local cases, left_out = {}, 0
  while #cases < count do
    local sequence = generate(seed, index)
    local played, notes, expected = pcall(memory.run, sequence)
    if not played then
      error(fmt("seed %d, sequence %d\n%s\n%s", seed, index, text_of(sequence), notes), 0)
    elseif ends(expected) then
      cases[#cases + 1] = {
        sequence = sequence, index = index, name = fmt("%d.%d", seed, index),
        expected = expected, memory_notes = notes,
      }
    else
      left_out = left_out + 1
    end
    index = index + 1
  end
  return cases, index, left_out
end


local _M = { generate_batch = generate_batch }


--- Plays one sequence that the generator has not made. Raises an error if it differs, or if nginx
-- would never end the response.
function _M.compare(client, sequence)
  local in_memory, in_nginx, ended = try(client, sequence)
  assert(ended, "nginx would never end the response")
  if in_memory then
    local text = "%s\n-- in memory: %s\n-- in nginx:  %s"
    error(fmt(text, text_of(sequence), in_memory, in_nginx), 0)
  end
end


--- Plays `count` sequences of `seed`, from number `first` (1) on, with a started client. Raises an
-- error for the first sequence that differs. Returns the number of skipped sequences, whose
-- response nginx would never end.
function _M.run(client, seed, count, first)
  local index, done, all_left_out = first or 1, 0, 0
  while done < count do
    local cases, next_index, left_out = generate_batch(seed, index, math.min(BATCH, count - done))
    client:send(cases)
    for _, case in ipairs(cases) do
      local in_memory, in_nginx = difference(case)
      if in_memory then
        error(report(client, seed, case, in_memory, in_nginx), 0)
      end
    end
    index, done, all_left_out = next_index, done + #cases, all_left_out + left_out
  end
  return all_left_out
end


return _M
