//! Array: elements side by side and nothing else.
//!
//! The extent is the elements, starting on a 64-byte line. What is read and
//! written there, and in which order, is the users' own affair, as with any
//! array that threads share.

use super::{End, Extent, Handle, Standing, Structure, expect, expect_kind, validate_elements};
use crate::error::{Error, Result};
use crate::raw::Region;
use crate::segment::Segment;
use crate::table::{Found, Key, Kind};
use core::ptr::NonNull;
use std::ffi::{CStr, CString};
use std::sync::Arc;

/// What an array's creator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Bytes of an element.
    pub elem_size: u64,
    /// Alignment of an element; 0: whatever a 64-byte line gives.
    pub elem_align: u64,
    /// Number of elements; to open, 0 accepts any.
    pub count: u64,
}

/// An open array.
pub struct Array {
    name: CString,
    elements: Region,
    elem_size: u64,
    count: u64,
    kind: Kind,
    standing: Standing,
}

impl Array {
    /// Address of the first element.
    pub fn data(&self) -> NonNull<u8> {
        self.elements.base()
    }

    /// An error if there are no elements any more at that address.
    pub fn ensure_usable(&self) -> Result<()> {
        self.standing.check(&self.name)
    }

    /// Refuses calls from now on.
    pub fn close(&self, end: End) {
        self.standing.end(end);
    }

    /// Number of elements.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of an element.
    pub fn elem_size(&self) -> u64 {
        self.elem_size
    }

    /// The array's name, cut to what the table holds.
    pub fn name(&self) -> &CStr {
        &self.name
    }
}

impl Structure for Array {
    type Params = Params;
    const KIND: Kind = Kind::Array;

    fn validate(name: &Key, params: &Params) -> Result<()> {
        validate_elements(name, params.elem_size, params.elem_align, params.count)
    }

    fn plan(_: &Segment, name: &Key, params: &Params) -> Result<Extent> {
        if params.count == 0 {
            return Err(Error::Capacity {
                name: name.text(),
                found: 0,
                expected: "at least 1 element to create an array",
            });
        }
        Ok(Extent {
            elem_size: params.elem_size,
            num_elem: params.count,
            // Checked by `validate`.
            size: params.elem_size * params.count,
            align: params.elem_align.max(1),
        })
    }

    fn init(_: &Segment, _: &Key, _: Region, _: &Params) -> Result<()> {
        // Fresh extents are zero, and so are the elements.
        Ok(())
    }

    fn open(segment: &Segment, name: &Key, found: &Found, params: &Params) -> Result<Self> {
        let outside = || Error::corrupt(&name.text(), "the extent in the table");
        let (elem_size, count) = match found.kind {
            Kind::Raw if found.elem_size == 0 => (params.elem_size, found.size / params.elem_size),
            Kind::Raw | Kind::Array => (found.elem_size, found.num_elem),
            other => {
                expect_kind(name, Kind::Array, other)?;
                return Err(outside());
            }
        };
        let bytes = elem_size.checked_mul(count).ok_or_else(outside)?;
        let array = Self {
            name: name.to_c(),
            elements: segment
                .heap()
                .part(found.offset, bytes)
                .ok_or_else(outside)?,
            elem_size,
            count,
            kind: found.kind,
            standing: Standing::new(segment, found),
        };
        array.check(name, params)?;
        Ok(array)
    }

    fn variant(found: &Found, params: &Params) -> u64 {
        // An entry that names no element size is whatever it is opened as.
        match (found.kind, found.elem_size) {
            (Kind::Raw, 0) => params.elem_size,
            _ => 0,
        }
    }

    fn check(&self, name: &Key, params: &Params) -> Result<()> {
        expect(name, "element size", params.elem_size, self.elem_size)?;
        // What user code placed itself lies where it lies.
        if self.kind == Kind::Array && params.elem_align > 1 {
            let address = self.elements.base().addr().get() as u64;
            let found = 1 << address.trailing_zeros().min(12);
            expect(
                name,
                "alignment",
                params.elem_align,
                params.elem_align.min(found),
            )?;
        }
        if params.count == 0 {
            return Ok(());
        }
        expect(name, "count", params.count, self.count)
    }

    fn into_handle(self) -> Handle {
        Handle::Array(Arc::new(self))
    }

    fn from_handle(handle: &Handle) -> Option<&Self> {
        match handle {
            Handle::Array(array) => Some(array),
            _ => None,
        }
    }
}
