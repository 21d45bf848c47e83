//! The userdata of a request in memory, and the map in which the functions of an instance find the request.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ptr::NonNull;
use std::rc::Rc;

use kong_response::error::Error;
use mlua::{AnyUserData, UserDataRef, Value};

use crate::memory::Memory;

thread_local! {
    /// The requests whose userdata is alive, by id. Each id is used only once.
    static HOSTS: RefCell<HashMap<u64, Rc<RefCell<Memory>>>> = RefCell::default();
    static LAST_ID: Cell<u64> = const { Cell::new(0) };
}

/// The userdata of a request.
#[derive(Debug)]
pub struct Host {
    id: u64,
    memory: Rc<RefCell<Memory>>,
}

impl Host {
    /// Makes a userdata for `memory`.
    pub fn new(memory: Memory) -> Self {
        let id = LAST_ID.get() + 1;
        LAST_ID.set(id);
        let memory = Rc::new(RefCell::new(memory));
        HOSTS.with_borrow_mut(|hosts| hosts.insert(id, Rc::clone(&memory)));
        Self { id, memory }
    }

    /// The id for [`by_id`].
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The request.
    pub fn memory(&self) -> &RefCell<Memory> {
        &self.memory
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // When a thread ends, the map may already be dropped.
        let _ = HOSTS.try_with(|hosts| hosts.borrow_mut().remove(&self.id));
    }
}

/// The request with this id, if its userdata is alive.
pub fn by_id(id: u64) -> Option<NonNull<RefCell<Memory>>> {
    HOSTS.with_borrow(|hosts| Some(NonNull::from(&**hosts.get(&id)?)))
}

/// The host in a Lua value.
///
/// # Errors
///
/// `kong.response.memory_host expected, got <type>`; `the host is gone` while the VM closes
pub fn of(value: &Value) -> Result<UserDataRef<Host>, Error> {
    let expected = || {
        let got = super::values::type_name(value);
        Error::Host(format!("kong.response.memory_host expected, got {got}"))
    };
    let userdata: &AnyUserData = value.as_userdata().ok_or_else(expected)?;
    userdata.borrow().map_err(|error| match error {
        mlua::Error::UserDataDestructed => Error::Host("the host is gone".to_owned()),
        _ => expected(),
    })
}
