--- The styles of phase code for a server in memory. Each has the locations that its nginx has, the
-- code of a phase, and that of the upstream.

local phase_code = require "spec.support.phase_code"
local plugins = require "spec.support.plugins"
local variables = require "kong.response.testing.ngx.variables"


local function decode(code)
  return code and (code:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end


local function argument(request, name)
  return decode(variables.get({ request = request }, "arg_" .. name))
end


local _M = {}


_M.plugins = {
  locations = {
    ["/"] = { upstream = true, balancer = true },
    ["/content"] = {},
    ["/underscores"] = { upstream = true, balancer = true, underscores = true },
    ["/broken"] = { refused = true },
  },
  upstream_underscores = true,
  code = function(self, case)
    return function(phase)
      phase_code.plugins(phase, case[phase], self.response, function(...)
        local items = { ... }
        for i = 2, select("#", ...) do
          -- as it is now
          items[i] = assert(loadstring("return " .. phase_code.source_of(items[i])))()
        end
        plugins.record(self.seen, self.errors, self.counts, unpack(items, 1, select("#", ...)))
      end)
    end
  end,
  upstream = function(_, case)
    return function()
      if case.upstream then
        return assert(loadstring(case.upstream, "@upstream.lua"))()
      end
      ngx.header["Content-Length"] = 8
      ngx.print("upstream")
    end
  end,
}

_M.stages = {
  locations = {
    ["/"] = {},
    ["/proxied"] = { upstream = true },
    ["/balanced"] = { upstream = true, balancer = true },
  },
  code = function(self, _, request)
    local environment = setmetatable({
      response = self.response,
      note = function(...)
        ngx.log(ngx.NOTICE, "noted <<", phase_code.note_text(...), ">>")
      end,
    }, { __index = _G })
    return function(stage)
      phase_code.stages(stage, argument(request, stage), environment, self.gateway)
    end
  end,
  upstream = function()
    return function()
      ngx.header["X-Upstream"] = "yes"
      ngx.header["Content-Length"] = 8
      ngx.print("upstream")
    end
  end,
}

_M.inline = {
  locations = {},
  code = function(self, _, request)
    return function(phase)
      phase_code.inline(phase, argument(request, phase), self.response, self.note)
    end
  end,
  upstream = function(self)
    return function(request)
      phase_code.inline("upstream", argument(request, "upstream"), self.response, self.note)
    end
  end,
}


return _M
