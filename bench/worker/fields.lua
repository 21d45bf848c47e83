--- Names and values of headers as real responses have them.

local _M = {}


--- The headers of the measured response: those that an upstream and plugins often send. nginx adds
-- Date, Server and Connection.
_M.RESPONSE = {
  { "Content-Type", "application/json; charset=utf-8" },
  { "Cache-Control", "max-age=0, private, must-revalidate" },
  { "ETag", 'W/"5f2c8e1a9d7b4c3e0f6a"' },
  { "Last-Modified", "Tue, 17 Nov 2026 08:30:00 GMT" },
  { "Vary", "Accept-Encoding, Origin" },
  { "Set-Cookie", "session=2f6a9c1e7b; Path=/; HttpOnly; Secure; SameSite=Lax" },
  { "Strict-Transport-Security", "max-age=31536000; includeSubDomains" },
  { "X-Content-Type-Options", "nosniff" },
  { "X-Frame-Options", "DENY" },
  { "Referrer-Policy", "strict-origin-when-cross-origin" },
  { "Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'" },
  { "Access-Control-Allow-Origin", "https://shop.example.com" },
  { "X-Request-Id", "4d4fa917ea095b962b0fe3731f155a6e" },
  { "X-RateLimit-Limit", "1000" },
  { "X-RateLimit-Remaining", "998" },
  { "Via", "1.1 edge-3" },
}

--- Names that are not in `RESPONSE`.
_M.ABSENT = {
  "Location", "Content-Encoding", "WWW-Authenticate", "Retry-After", "Content-Disposition",
  "X-Powered-By", "X-Cache-Status", "Content-Language", "Link", "Age", "Expires", "Allow",
  "X-Upstream-Latency", "Access-Control-Allow-Methods", "X-Correlation-Id", "Server-Timing",
}

--- Headers that plugins add. nginx accepts each of them several times.
_M.ADDED = {
  { "Set-Cookie", "theme=dark; Path=/" },
  { "Link", "</style.css>; rel=preload; as=style" },
  { "Cache-Control", "no-transform" },
  { "Vary", "Authorization" },
  { "Warning", '110 - "Response is stale"' },
  { "Server-Timing", "db;dur=53" },
  { "Via", "1.1 gateway" },
  { "X-Robots-Tag", "noindex" },
}

--- The argument of `set_headers`.
_M.EIGHT = {
  ["Strict-Transport-Security"] = "max-age=63072000",
  ["X-Content-Type-Options"] = "nosniff",
  ["X-Frame-Options"] = "SAMEORIGIN",
  ["Referrer-Policy"] = "no-referrer",
  ["Content-Security-Policy"] = "default-src 'self'",
  ["Cache-Control"] = "no-store",
  ["X-Request-Id"] = "0f6a5f2c8e1a9d7b4c3e",
  ["Vary"] = "Accept-Encoding",
}


return _M
