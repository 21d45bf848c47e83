return {
  {
    name = "a request",
    plugins = { { plugin = "request-transformer", config = {
      remove = { headers = { "X-Remove" }, querystring = { "secret" }, body = { "password" } },
      rename = { headers = { "X-Old:X-New" }, querystring = { "q:query" }, body = { "a:b" } },
      replace = { headers = { "X-There:replaced" }, body = { "there:yes" } },
      add = {
        headers = { "X-Added:1", "X-There:not" }, querystring = { "added:1" },
        body = { "added:1" },
      },
      append = { headers = { "X-More:2" }, querystring = { "list:z" } },
      strip_prefix = "/api",
    } } },
    steps = {
      {
        name = "gets other headers and arguments",
        request = { path = "/api/coffee?q=1&secret=2&list=x&list=y&flag", headers = {
          ["X-Remove"] = "1", ["X-Old"] = "old", ["X-There"] = "there", ["X-More"] = "1",
        } },
        upstream = { body = "ok" },
        expect = {
          status = 200, body = "ok",
          upstream = {
            method = "GET", path = "/coffee?added=1&flag&list=x&list=y&list=z&query=1",
            headers = {
              ["x-remove"] = false, ["x-old"] = false, ["x-new"] = "old",
              ["x-there"] = "replaced", ["x-added"] = "1", ["x-more"] = { "1", "2" },
            },
          },
        },
      },
      {
        name = "gets another JSON body",
        request = {
          method = "POST", path = "/api/x", body = '{"password":"p","a":[1,2],"there":"no"}',
          headers = { ["Content-Type"] = "application/json; charset=utf-8" },
        },
        upstream = { body = "ok" },
        expect = {
          status = 200,
          upstream = {
            method = "POST", path = "/x?added=1&list=z",
            json = { b = { 1, 2 }, there = "yes", added = "1" },
            headers = { ["content-type"] = "application/json" },
          },
        },
      },
      {
        name = "gets another form",
        request = {
          method = "PUT", path = "/other", body = "a=1&password=x",
          headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
        },
        upstream = { body = "ok" },
        expect = { status = 200, upstream = {
          method = "PUT", path = "/other?added=1&list=z", body = "added=1&b=1",
        } },
      },
      {
        name = "keeps a body that cannot be read",
        request = { method = "POST", body = "{", headers = {
          ["Content-Type"] = "application/json",
        } },
        upstream = { body = "ok" },
        expect = { status = 200, upstream = { body = "{" },
                   log = "the body stays as it is: invalid json body" },
      },
    },
  },
  {
    name = "a method",
    plugins = { { plugin = "request-transformer", config = { http_method = "PATCH" } } },
    steps = {
      {
        name = "is replaced",
        request = { method = "POST", body = "x" },
        upstream = { body = "ok" },
        expect = { status = 200, upstream = { method = "PATCH", body = "x" } },
      },
    },
  },
}
