--- Returns the CPU time of this process, in nanoseconds. It does not contain the time of other
-- processes.

local ffi = require "ffi"

local C = ffi.C
local tonumber = tonumber

ffi.cdef [[
struct bench_timespec { long seconds; long nanoseconds; };
int clock_gettime(int clock, struct bench_timespec *time);
]]

local CLOCK_PROCESS_CPUTIME_ID = 2
local time = ffi.new "struct bench_timespec"

return function()
  C.clock_gettime(CLOCK_PROCESS_CPUTIME_ID, time)
  return tonumber(time.seconds) * 1e9 + tonumber(time.nanoseconds)
end
