--- What a case of a plugin's test costs: figures of its own, without a peer.

return function()
  print("\nA case of a plugin's test, CPU time")
  dofile "bench/testing.lua"
  return {}
end
