-- For wrk: sends the requests in the file that its first argument names, in turn; NUL bytes separate them.

local requests, sent = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for request in file:read("*a"):gmatch("%Z+") do
    table.insert(requests, request)
  end
  file:close()
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  local form = '\nRESULT {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "failed": %d}'
  print(form:format(summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
