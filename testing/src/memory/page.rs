//! nginx's own error pages, which it sends for a status without a body.

/// The end of every page, with `server_tokens off`.
const TAIL: &str = "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// The text of a page: its title, or a reason and the title of status 400.
fn text(status: u16) -> Option<(&'static str, Option<&'static str>)> {
    let title = match status {
        301 => "301 Moved Permanently",
        302 => "302 Found",
        303 => "303 See Other",
        307 => "307 Temporary Redirect",
        308 => "308 Permanent Redirect",
        400 => "400 Bad Request",
        401 => "401 Authorization Required",
        402 => "402 Payment Required",
        403 => "403 Forbidden",
        404 => "404 Not Found",
        405 => "405 Not Allowed",
        406 => "406 Not Acceptable",
        408 => "408 Request Time-out",
        409 => "409 Conflict",
        410 => "410 Gone",
        411 => "411 Length Required",
        412 => "412 Precondition Failed",
        413 => "413 Request Entity Too Large",
        414 => "414 Request-URI Too Large",
        415 => "415 Unsupported Media Type",
        416 => "416 Requested Range Not Satisfiable",
        421 => "421 Misdirected Request",
        429 => "429 Too Many Requests",
        494 => return Some(("Request Header Or Cookie Too Large", Some("400 Bad Request"))),
        495 => return Some(("The SSL certificate error", Some("400 Bad Request"))),
        496 => return Some(("No required SSL certificate was sent", Some("400 Bad Request"))),
        497 => {
            let title = "The plain HTTP request was sent to HTTPS port";
            return Some((title, Some("400 Bad Request")));
        }
        500 => "500 Internal Server Error",
        501 => "501 Not Implemented",
        502 => "502 Bad Gateway",
        503 => "503 Service Temporarily Unavailable",
        504 => "504 Gateway Time-out",
        505 => "505 HTTP Version Not Supported",
        507 => "507 Insufficient Storage",
        _ => return None,
    };
    Some((title, None))
}

/// The page for a status. `None` if nginx has no page and sends an empty body.
pub fn page(status: u16) -> Option<Vec<u8>> {
    let mut page = match text(status)? {
        (title, None) => format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
             <center><h1>{title}</h1></center>\r\n"
        ),
        (reason, Some(title)) => format!(
            "<html>\r\n<head><title>400 {reason}</title></head>\r\n<body>\r\n\
             <center><h1>{title}</h1></center>\r\n<center>{reason}</center>\r\n"
        ),
    };
    page.push_str(TAIL);
    Some(page.into_bytes())
}

/// Whether nginx closes the connection after its own page for this status.
pub fn closes(status: u16) -> bool {
    matches!(status, 400 | 413 | 414 | 495..=497 | 500 | 501)
}
