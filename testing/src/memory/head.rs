//! The head of a response, as nginx stores it while Lua code reads and writes it.
//!
//! There is one list of headers. nginx removes nothing from it: a removed header leaves a dead slot. For some headers
//! nginx also has a pointer to the slot, for some a list of pointers. Lua code writes those through the pointers, not by
//! name. Content-Type is in no list.

use std::borrow::Cow;

use super::escape::{Part, dashed, escape};
use kong_response::content_length;
use kong_response::date;
use kong_response::host::Write;

/// The maximum number of values that `ngx.header` reads of a header.
const MAX_VALUES: usize = 100;

/// A slot in the list of headers.
#[derive(Debug, Clone)]
pub struct Slot {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    pub live: bool,
}

/// The headers with a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Single {
    Server,
    Date,
    ContentEncoding,
    Location,
    Refresh,
    LastModified,
    ContentRange,
    AcceptRanges,
    WwwAuthenticate,
    Expires,
    ETag,
    ContentLength,
}

/// The headers with a list of pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Multi {
    CacheControl,
    Link,
    WwwAuthenticate,
}

/// How nginx stores a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Single(Single),
    Multi(Multi),
    ContentType,
    /// Only in its slot.
    Other,
}

const KINDS: [(&[u8], Kind); 17] = [
    (b"Server", Kind::Single(Single::Server)),
    (b"Date", Kind::Single(Single::Date)),
    (b"Content-Encoding", Kind::Single(Single::ContentEncoding)),
    (b"Location", Kind::Single(Single::Location)),
    (b"Refresh", Kind::Single(Single::Refresh)),
    (b"Last-Modified", Kind::Single(Single::LastModified)),
    (b"Content-Range", Kind::Single(Single::ContentRange)),
    (b"Accept-Ranges", Kind::Single(Single::AcceptRanges)),
    (b"WWW-Authenticate", Kind::Single(Single::WwwAuthenticate)),
    (b"Expires", Kind::Single(Single::Expires)),
    (b"E-Tag", Kind::Single(Single::ETag)),
    (b"ETag", Kind::Single(Single::ETag)),
    (b"Content-Length", Kind::Single(Single::ContentLength)),
    (b"Content-Type", Kind::ContentType),
    (b"Cache-Control", Kind::Multi(Multi::CacheControl)),
    (b"Link", Kind::Multi(Multi::Link)),
    (b"WWW-Authenticate", Kind::Multi(Multi::WwwAuthenticate)),
];

/// The head of a response.
#[derive(Debug, Clone, Default)]
pub struct Head {
    slots: Vec<Slot>,
    singles: [Option<usize>; 12],
    multis: [Vec<usize>; 3],
    /// Whether WWW-Authenticate may repeat.
    www_authenticate_repeats: bool,
    /// Whether `_` stays in names that Lua code sets.
    pub keeps_underscores: bool,
    /// The value of Content-Type, or empty if there is none.
    pub content_type: Vec<u8>,
    /// Whether the value has parameters.
    content_type_has_parameters: bool,
    /// Whether Lua code has set or removed Content-Type. If so, there is no default.
    pub content_type_written: bool,
    /// The charset of the upstream's Content-Type. nginx adds it to every Content-Type without parameters.
    charset: Vec<u8>,
    /// The length of the body, which may have no slot.
    pub content_length: Option<u64>,
    /// The time of Last-Modified.
    pub last_modified: Option<i64>,
    /// The status, or 0 if none is set.
    pub status: u16,
    /// The status of nginx's own page, which overrides `status`.
    pub error_status: u16,
    /// Whether the status line is that of the upstream. nginx sends it unchanged, and does not check whether that status
    /// allows a body.
    pub keeps_status_line: bool,
}

/// A value that nginx refuses.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused;

impl Head {
    /// An empty head. WWW-Authenticate may repeat, or exists only once.
    pub fn new(www_authenticate_repeats: bool) -> Self {
        Self { www_authenticate_repeats, ..Self::default() }
    }

    /// Removes everything that was set.
    pub fn clean(&mut self) {
        *self = Self {
            www_authenticate_repeats: self.www_authenticate_repeats,
            keeps_underscores: self.keeps_underscores,
            content_type_written: self.content_type_written,
            ..Self::default()
        };
    }

    /// The headers of the list.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn kind(&self, name: &[u8]) -> Kind {
        let known = |(known, kind): &&(&[u8], Kind)| {
            known.eq_ignore_ascii_case(name)
                && match kind {
                    Kind::Single(Single::WwwAuthenticate) => !self.www_authenticate_repeats,
                    _ => true,
                }
        };
        KINDS.iter().find(known).map_or(Kind::Other, |(_, kind)| *kind)
    }

    /// The status that the client gets.
    pub fn status_sent(&self) -> u16 {
        if self.error_status == 0 { self.status } else { self.error_status }
    }

    /// The slot that nginx's pointer for this header refers to.
    pub fn single(&self, single: Single) -> Option<&Slot> {
        self.singles[single as usize].map(|at| &self.slots[at])
    }

    /// The name that lua-nginx-module uses for `name`.
    fn transformed<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        if self.keeps_underscores { Cow::Borrowed(name) } else { Cow::Owned(dashed(name)) }
    }

    /// Clears nginx's pointer for a header. The slot stays.
    pub fn clear_pointer(&mut self, single: Single) {
        self.singles[single as usize] = None;
    }

    /// Removes a header and nginx's pointer for it.
    pub fn remove_single(&mut self, single: Single) {
        if let Some(at) = self.singles[single as usize].take() {
            self.slots[at].live = false;
        }
    }

    /// `ngx.header[name] = value`. An empty value removes the header.
    pub fn write(&mut self, name: &[u8], value: &[u8], write: Write) -> Result<(), Refused> {
        let name = escape(&self.transformed(name), Part::Name);
        let value = escape(value, Part::Value);
        match self.kind(&name) {
            Kind::Single(single) => self.write_single(single, name, value, write)?,
            Kind::Multi(multi) => self.write_multi(multi, name, value, write),
            Kind::ContentType => {
                self.set_content_type(value);
                self.content_type_written = true;
                self.write_slot(name, Vec::new(), write, None, Creates::Never);
            }
            Kind::Other => self.write_slot(name, value, write, None, Creates::Always),
        }
        Ok(())
    }

    /// Sets Content-Type, and notes whether the value has parameters.
    pub fn set_content_type(&mut self, value: Vec<u8>) {
        self.content_type_has_parameters = value.contains(&b';');
        self.content_type = value;
    }

    fn write_single(
        &mut self,
        single: Single,
        name: Vec<u8>,
        value: Vec<u8>,
        write: Write,
    ) -> Result<(), Refused> {
        match single {
            Single::LastModified => self.last_modified = date::parse(&value),
            Single::ContentLength if value.is_empty() => self.content_length = None,
            Single::ContentLength => {
                self.content_length = Some(content_length::parse(&value).ok_or(Refused)?);
            }
            _ => (),
        }
        match self.singles[single as usize] {
            None => self.write_slot(name, value, write, Some(single), Creates::Always),
            Some(at) => {
                let slot = &mut self.slots[at];
                slot.live = !value.is_empty();
                if slot.live {
                    slot.name = name;
                }
                slot.value = value;
            }
        }
        if single == Single::Location
            && self.single(single).is_some_and(|slot| slot.value.starts_with(b"/"))
        {
            // lua-nginx-module does this, because nginx would change the path to an absolute address.
            self.clear_pointer(single);
        }
        Ok(())
    }

    fn write_multi(&mut self, multi: Multi, name: Vec<u8>, value: Vec<u8>, write: Write) {
        let live = !value.is_empty();
        if write == Write::Set && multi == Multi::WwwAuthenticate {
            // In versions where this header may repeat, setting it also removes the upstream's header.
            let named = |slot: &&mut Slot| slot.name.eq_ignore_ascii_case(&name);
            self.slots.iter_mut().filter(named).for_each(|slot| slot.live = false);
        }
        let places = &self.multis[multi as usize];
        let reused = match write {
            Write::Add => places.iter().find(|&&at| !self.slots[at].live),
            Write::Set => places.first(),
        };
        let Some(&reused) = reused else {
            let at = self.push(name, value);
            return self.multis[multi as usize].push(at);
        };
        if write == Write::Set {
            places.iter().for_each(|&at| self.slots[at].live = false);
        }
        let slot = &mut self.slots[reused];
        (slot.value, slot.live) = (value, live || write == Write::Add);
    }

    /// Writes a header by name. The pointer of `single`, if there is one, then refers to its slot.
    fn write_slot(
        &mut self,
        name: Vec<u8>,
        value: Vec<u8>,
        write: Write,
        single: Option<Single>,
        creates: Creates,
    ) {
        let mut at = None;
        if write == Write::Set {
            for (i, slot) in self.slots.iter_mut().enumerate() {
                if slot.live && slot.name.eq_ignore_ascii_case(&name) {
                    slot.live = at.is_none() && !value.is_empty();
                    slot.value = if slot.live { value.clone() } else { Vec::new() };
                    at = Some(i);
                }
            }
            if at.is_none() && creates == Creates::Never && value.is_empty() {
                return;
            }
        }
        let at = at.unwrap_or_else(|| self.push(name, value));
        if let Some(single) = single {
            self.singles[single as usize] = Some(at);
        }
    }

    /// nginx marks a dead slot with a hash of 0, which is also the hash of an empty name.
    fn push(&mut self, name: Vec<u8>, value: Vec<u8>) -> usize {
        let live = !value.is_empty() && !name.is_empty();
        self.slots.push(Slot { name, value, live });
        self.slots.len() - 1
    }

    /// The values of a header, like `ngx.header[name]`.
    pub fn read(&self, name: &[u8]) -> Vec<Vec<u8>> {
        let name = self.transformed(name);
        if name.eq_ignore_ascii_case(b"Last-Modified") {
            let time = self.last_modified.filter(|time| *time >= 0);
            return time.map(date::format).into_iter().map(Into::into).collect();
        }
        if let Some(value) = self.value_outside_list(&name) {
            return vec![value];
        }
        self.named(&name).take(MAX_VALUES).map(|slot| slot.value.clone()).collect()
    }

    /// The first value of a header.
    pub fn first(&self, name: &[u8]) -> Option<Vec<u8>> {
        let listed = || self.named(name).next().map(|slot| slot.value.clone());
        self.value_outside_list(name).or_else(listed)
    }

    fn value_outside_list(&self, name: &[u8]) -> Option<Vec<u8>> {
        if name.eq_ignore_ascii_case(b"Content-Type") && !self.content_type.is_empty() {
            return Some(self.content_type.clone());
        }
        if name.eq_ignore_ascii_case(b"Content-Length") {
            return self.length_without_slot().map(|length| length.to_string().into_bytes());
        }
        None
    }

    /// The Content-Length that nginx adds itself.
    pub fn length_without_slot(&self) -> Option<u64> {
        if self.single(Single::ContentLength).is_some() { None } else { self.content_length }
    }

    fn named(&self, name: &[u8]) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| slot.live && slot.name.eq_ignore_ascii_case(name))
    }

    /// The Content-Type that is sent.
    pub fn content_type_sent(&self) -> Option<Vec<u8>> {
        if self.content_type.is_empty() {
            return None;
        }
        let mut value = self.content_type.clone();
        if !self.content_type_has_parameters && !self.charset.is_empty() {
            value.extend_from_slice(b"; charset=");
            value.extend_from_slice(&self.charset);
        }
        Some(value)
    }

    /// Copies a header from the response of the upstream.
    pub fn copy_from_upstream(&mut self, name: &[u8], value: &[u8]) {
        const HIDDEN: [&[u8]; 8] = [
            b"Date",
            b"Server",
            b"X-Pad",
            b"X-Accel-Expires",
            b"X-Accel-Redirect",
            b"X-Accel-Limit-Rate",
            b"X-Accel-Buffering",
            b"X-Accel-Charset",
        ];
        const ITS_OWN: [&[u8]; 3] = [b"Connection", b"Keep-Alive", b"Transfer-Encoding"];
        let is = |known: &&[u8]| known.eq_ignore_ascii_case(name);
        if HIDDEN.iter().any(is) || ITS_OWN.iter().any(is) {
            return;
        }
        if name.eq_ignore_ascii_case(b"Content-Length") {
            self.content_length = content_length::parse(value);
            return;
        }
        let kind = if name.eq_ignore_ascii_case(b"E-Tag") { Kind::Other } else { self.kind(name) };
        match kind {
            Kind::ContentType => self.copy_content_type(value),
            Kind::Multi(multi) if multi != Multi::WwwAuthenticate => {
                let at = self.push_raw(name, value);
                self.multis[multi as usize].push(at);
            }
            Kind::Single(single) if single != Single::WwwAuthenticate => {
                let at = self.push_raw(name, value);
                match single {
                    Single::LastModified => self.last_modified = date::parse(value),
                    Single::Location if value.starts_with(b"/") => return,
                    _ => (),
                }
                self.singles[single as usize] = Some(at);
            }
            _ => {
                self.push_raw(name, value);
            }
        }
    }

    /// Adds a header of the upstream, even if its value is empty.
    fn push_raw(&mut self, name: &[u8], value: &[u8]) -> usize {
        let at = self.push(name.to_vec(), value.to_vec());
        self.slots[at].live = true;
        at
    }

    fn copy_content_type(&mut self, value: &[u8]) {
        self.content_type = value.to_vec();
        self.content_type_has_parameters = false;
        for (at, _) in value.iter().enumerate().filter(|(_, byte)| **byte == b';') {
            let parameter = &value[at + 1..];
            let spaces = parameter.iter().take_while(|byte| **byte == b' ').count();
            let parameter = &parameter[spaces..];
            if parameter.len() >= 8 && parameter[..8].eq_ignore_ascii_case(b"charset=") {
                let charset = &parameter[8..];
                let charset = charset.strip_prefix(b"\"").unwrap_or(charset);
                let charset = charset.strip_suffix(b"\"").unwrap_or(charset);
                self.charset = charset.to_vec();
                self.content_type_has_parameters = true;
                return;
            }
        }
    }
}

/// Whether an empty value gets a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Creates {
    Always,
    Never,
}

#[cfg(test)]
mod tests;
