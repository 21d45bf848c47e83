//! Custom templates of error documents: files, read once per worker.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use crate::response::error_page::{Document, Template};

/// The maximum number of templates. Without it, a program with ever new paths could use up the memory.
const MAX_TEMPLATES: usize = 1000;

thread_local! {
    /// The templates by path. `None` if the file could not be read.
    static TEMPLATES: RefCell<HashMap<Vec<u8>, Option<Rc<Template>>>> = RefCell::default();
}

/// The template in the file at `path`. If the worker cannot read the file, calls `log` with the reason, only the
/// first time.
pub fn template(document: Document, path: &[u8], log: impl FnOnce(&str)) -> Option<Rc<Template>> {
    if let Some(known) = TEMPLATES.with_borrow(|all| all.get(path).cloned()) {
        return known;
    }
    let read = std::fs::read(OsStr::from_bytes(path));
    let template = read.as_deref().ok().map(|text| Rc::new(Template::parse(text)));
    TEMPLATES.with_borrow_mut(|all| {
        if all.len() >= MAX_TEMPLATES {
            all.clear();
        }
        all.insert(path.to_vec(), template.clone())
    });
    if let Err(error) = read {
        let reason = match error.kind() {
            ErrorKind::NotFound => "file not found".to_owned(),
            _ => error.to_string(),
        };
        log(&format!("failed reading the custom {} error template: {reason}", document.name()));
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_templates_is_limited_and_each_failure_is_logged_once() {
        for i in 0..3 * MAX_TEMPLATES {
            let mut logged = 0;
            for _ in 0..2 {
                let path = format!("/nowhere/{i}");
                assert!(template(Document::Json, path.as_bytes(), |_| logged += 1).is_none());
            }
            assert_eq!(logged, 1);
            assert!(TEMPLATES.with_borrow(HashMap::len) <= MAX_TEMPLATES);
        }
    }
}
