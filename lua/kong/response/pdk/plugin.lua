--- `kong.plugin`: the plugin whose handler runs.

--- Makes `kong.plugin`.
return function(pdk)
  local ngx = pdk.ngx

  local plugin = {}


  function plugin.get_id()
    return ngx.ctx.plugin_id
  end


  return plugin
end
