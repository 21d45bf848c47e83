--- The cost of one case of a plugin's test. There is no peer.

return function()
  print("\nA case of a plugin's test, CPU time")
  dofile "bench/testing.lua"
  return {}
end
