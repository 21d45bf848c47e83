--- What differs from one nginx to another, asked of the nginx that the specs run.
--
--     if server:has "repeated_www_authenticate" then … end

local nginx = require "spec.support.nginx"


local CODE = {
  -- Whether WWW-Authenticate can be sent more than once.
  repeated_www_authenticate = [[ngx.header["WWW-Authenticate"] = { "one", "two" }]],
  -- The value of the header Server, or nil.
  server_header = "",
}

local ANSWERS = {
  repeated_www_authenticate = function(r)
    return #r:values("WWW-Authenticate") == 2
  end,
  server_header = function(r)
    return r:header("Server")
  end,
}


local facts


local function ask()
  local locations = {}
  for name, code in pairs(CODE) do
    locations[#locations + 1] = ("location = /%s { content_by_lua_block { %s ngx.print('x') } }")
      :format(name, code)
  end
  facts = {}
  nginx.once({ locations = table.concat(locations, "\n") }, function(server)
    for name, answer in pairs(ANSWERS) do
      facts[name] = answer(server:get("/" .. name))
    end
  end)
end


local _M = {}


--- A fact; nginx is asked for all of them once.
function _M.get(name)
  assert(ANSWERS[name], "there is no such fact")
  if not facts then
    ask()
  end
  return facts[name]
end


return _M
