--- A server of the life cycle with locations that redirect internally.
--
--     local r = server:run(redirects.case("/file-page", "kong.response.exit(403)"))

local lifecycle = require "spec.support.lifecycle"


local H = lifecycle.HANDLERS


local _M = {
  --- The code of a plugin that stores values, and notes them with the source of the response.
  SOURCES = {
    access = "kong.ctx.plugin.mine = 'one' kong.ctx.shared.all = 'shared' ngx.ctx.field = 'field'",
    header_filter = "note('header_filter', kong.response.get_source())",
    log = [[
      note("log", kong.response.get_source(), kong.response.get_status(), kong.ctx.plugin.mine,
           kong.ctx.shared.all, ngx.ctx.field)
    ]],
  },
}


--- Makes a case in which plugin `one` has the code of `SOURCES`, and plugin `two` has `code` for
-- access.
function _M.case(path, code, more)
  local case = { path = path, one = _M.SOURCES, two = code and { access = code } }
  for key, value in pairs(more or {}) do
    case[key] = value
  end
  return case
end


function _M.start()
  return lifecycle.start {
    http = [[
      proxy_http_version 1.1;
      proxy_next_upstream_tries 2;
      proxy_cache_path %{dir}/cache keys_zone=cache:1m;
      proxy_cache_valid 200 1m;
      upstream retried {
        server 127.0.0.1:%{refused_port};
        server 127.0.0.1:%{upstream_port} backup;
      }
    ]],
    files = {
      ["html/page.html"] = "the page",
      ["html/there"] = "a file",
      ["html/down"] = "upstream is down",
    },
    init = [[
      other = require("kong.response.lifecycle").new {
        { plugin = require("plugins").plugin("other", 1) },
      }
    ]],
    locations = [[
      root %{dir}/html;

      location = /other {
        error_page 403 @other;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location @other {
        rewrite_by_lua_block { other.rewrite() }
        access_by_lua_block { other.access() }
        proxy_pass http://127.0.0.1:%{upstream_port};
      }

      location = /file-page {
        error_page 403 404 /page.html;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /page.html {
        internal;
        default_type text/html;
        ]] .. H .. [[
      }
      location = /named-page {
        error_page 403 502 504 @page;
        ]] .. H .. [[
        proxy_read_timeout 100ms;
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /hidden-status {
        error_page 502 = @page;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{refused_port};
      }
      location @page {
        content_by_lua_block {
          -- The stored values must still exist after the redirect.
          collectgarbage()
          collectgarbage()
          lifecycle.error_page()
        }
      }
      location /there {
        ]] .. H .. [[
        try_files $uri @service;
      }
      location /missing {
        ]] .. H .. [[
        try_files $uri @service;
      }
      location @service {
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /fields {
        error_page 403 @fields;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location @fields {
        content_by_lua_block {
          ngx.ctx.later = "later"
          ngx.ctx.KONG_PHASE = nil
          require("kong.response").exit(200, "fields")
        }
      }
      location = /unlogged {
        error_page 403 @unlogged;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location @unlogged {
        log_by_lua_block { ngx.log(ngx.NOTICE, "ended <<", ngx.var.http_case, ">>") }
        header_filter_by_lua_block { }
        body_filter_by_lua_block { }
        return 403;
      }
      location = /answers {
        content_by_lua_block {
          kong.response.exit(202, kong.ctx.shared.all)
        }
      }
      location = /sub {
        ]] .. H .. [[
        content_by_lua_block {
          ngx.print(ngx.var.arg_mine, " ", tostring(kong.ctx.shared.all))
        }
      }
      location = /timeout {
        ]] .. H .. [[
        proxy_read_timeout 100ms;
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /refused {
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{refused_port};
      }
      location = /retried {
        ]] .. H .. [[
        proxy_pass http://retried;
      }
      location = /fallback {
        ]] .. H .. [[
        error_page 502 = @service;
        proxy_pass http://127.0.0.1:%{refused_port};
      }
      location = /proxied-page {
        ]] .. H .. [[
        error_page 502 @proxied-page;
        proxy_pass http://127.0.0.1:%{refused_port};
      }
      location @proxied-page {
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /intercepted {
        ]] .. H .. [[
        proxy_intercept_errors on;
        error_page 500 /page.html;
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /cached {
        ]] .. H .. [[
        proxy_cache cache;
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
      location = /small {
        error_page 413 @page;
        client_max_body_size 5;
        ]] .. H .. [[
        proxy_pass http://127.0.0.1:%{upstream_port};
      }
    ]],
  }
end


return _M
