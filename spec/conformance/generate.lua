--- Generates sequences: a request, the answer of its upstream, and the operations of a plugin in
-- each phase.
--
--     {
--       request = { method, version, headers = { { name, value }, ... } },
--       upstream = { status, headers, body } or nil, where Lua makes the content,
--       kong = whether the globals of a gateway exist,
--       rewrite, access, content, balancer, header_filter, log = { operations },
--       body_filter = { operations for the first chunk, ... },
--       max_body_size = the option, or nil,
--       pdk = nil, or what `generate_requests.lua` adds,
--       phases = { what KONG_PHASE says where it does not tell the truth, by phase },
--     }
--
-- `generate_operations.lua` makes the operations.

local messages = require "spec.conformance.generate_messages"
local new_random = require "spec.conformance.random"
local new_values = require("spec.conformance.generate_values").new
local operations = require "spec.conformance.generate_operations"
local requests = require "spec.conformance.generate_requests"


local operation = operations.operation

local MAX_OPERATIONS = 30

-- The values of KONG_PHASE in each phase of nginx.
local PHASES = require("kong.response.core").phases
local BITS = {
  rewrite = PHASES.rewrite, access = PHASES.access, content = PHASES.response,
  balancer = PHASES.balancer, header_filter = PHASES.header_filter,
  body_filter = PHASES.body_filter, log = PHASES.log,
}

local FALSE_PHASES = {
  0x1, 0x2, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x2000, 0x4000, 0x1000000,
  0x10000000, 0, 3, 0x240, -1, 1.5, "nil", "x", true,
}

local READERS = { "get_status", "get_header", "get_headers", "get_source" }


local function phases(random)
  if random:once_in(8) then
    local phase = random:pick { "rewrite", "access", "content", "balancer", "header_filter", "log" }
    return { [phase] = random:pick(FALSE_PHASES) }
  end
  return {}
end


--- The sequence number `index` of `seed`.
local function generate(seed, index)
  local random = new_random(seed, index)
  local values = new_values(random)
  values.kong = not random:once_in(4)
  local sequence = {
    request = messages.request(values),
    kong = values.kong,
    phases = phases(random),
  }
  local proxied = random:once_in(4)
  if proxied then
    sequence.upstream = messages.upstream(values)
  end

  local left = random:int(1, MAX_OPERATIONS)
  local function fill(phase, share)
    local list = operations.list(values, phase, math.floor(left * share))
    left = left - #list
    return list
  end
  sequence.rewrite = random:once_in(4) and fill("rewrite", 0.5) or {}
  sequence.access = fill("access", 0.7)
  if random:once_in(3) then
    sequence.access[#sequence.access + 1] = operations.exit(values)
  end
  if proxied and random:once_in(3) then
    sequence.balancer = fill("balancer", 0.5)
    if random:once_in(6) then
      sequence.balancer[#sequence.balancer + 1] = operations.exit(values)
    end
  end
  if not proxied then
    sequence.content = fill("content", 0.8)
    for _ = 1, random:int(0, 3) do
      table.insert(sequence.content, random:int(1, #sequence.content + 1),
        operation("ngx.print", random:pick { "body", "", "12345678", ("p"):rep(100) }))
    end
    if random:once_in(2) then
      sequence.content[#sequence.content + 1] = operations.exit(values)
    end
  end
  sequence.header_filter = fill("header_filter", 0.8)
  if random:once_in(8) then
    table.insert(sequence.header_filter, operations.exit(values))
  end
  sequence.body_filter = { {} }
  for i = 1, random:once_in(3) and random:int(1, 3) or 0 do
    sequence.body_filter[i] = fill("body_filter", 0.5)
  end
  if not random:once_in(3) then
    for _, list in ipairs(sequence.body_filter) do
      table.insert(list, 1, operation "send_response_body")
    end
  end
  for _, list in ipairs(sequence.body_filter) do
    for i, one in ipairs(list) do
      -- If Lua empties a buffer and removes its end, nginx reuses it too early and sends it twice.
      if i > 1 and one[1] == "ngx.arg=" and one[3] == false then
        one[3] = true
      end
    end
  end
  sequence.log = {}
  for i = 1, random:int(0, math.min(left, 6)) do
    sequence.log[i] = random:once_in(3) and operations.any(values, "log")
      or operation(random:pick(READERS), random:once_in(2) and "X-A" or nil)
  end
  sequence.max_body_size = random:once_in(3) and random:int(1, 20) or nil
  if random:once_in(3) then
    requests.add(sequence, values)
  end
  return sequence
end


return { generate = generate, BITS = BITS }
