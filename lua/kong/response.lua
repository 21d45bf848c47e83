--- `kong.response`: the thirteen functions, with the default options.
-- For others, see `kong.response.instance`.

return require("kong.response.instance").new()
