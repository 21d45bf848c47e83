--- `kong.response`: the thirteen functions, with the default options.
-- `kong.response.instance` makes them with other options.

return require("kong.response.instance").new()
