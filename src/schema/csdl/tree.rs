//! XML text to a small tree of elements, bounded in size and depth; every failure names its line.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::CsdlError;

/// Longest accepted metadata text in bytes; Finance & Operations answers with some thirty megabytes.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Deepest accepted nesting of elements; real metadata stays under twelve.
pub const DEPTH_MAX: usize = 64;

/// Most elements kept.
pub const ELEMENTS_MAX: usize = 4_000_000;

/// One element with what stands inside it.
#[derive(Debug, Default)]
pub struct Element {
    /// The name without its prefix.
    pub name: String,
    attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub text: String,
    /// Where it starts, in bytes.
    pub at: usize,
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The children of this name, in order.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |it| it.name == name)
    }

    pub fn first(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|it| it.name == name)
    }
}

/// Reads a document; `keep` says which elements are of interest, the others are left out with all that is in them.
pub fn parse(text: &str, keep: fn(&str) -> bool) -> Result<Element, CsdlError> {
    if text.len() > BYTES_MAX {
        let message = format!("the metadata has {} bytes, at most {BYTES_MAX} are read", text.len());
        return Err(CsdlError { line: 1, offset: 0, message });
    }
    let mut builder = Builder { text, keep, open: Vec::new(), root: None, skipped_depth: 0, elements: 0 };
    let mut reader = Reader::from_str(text);
    loop {
        let at = usize::try_from(reader.buffer_position()).expect("the text fits in memory");
        let event = reader.read_event().map_err(|error| {
            let at = usize::try_from(reader.error_position()).expect("the text fits in memory");
            CsdlError::at(text, at, error.to_string())
        })?;
        if builder.take(event, at)? {
            return builder.finish();
        }
    }
}

struct Builder<'a> {
    text: &'a str,
    keep: fn(&str) -> bool,
    open: Vec<Element>,
    root: Option<Element>,
    /// Open elements inside one that is left out, itself included.
    skipped_depth: usize,
    elements: usize,
}

impl<'a> Builder<'a> {
    /// True at the end of the document.
    fn take(&mut self, event: Event<'a>, at: usize) -> Result<bool, CsdlError> {
        match event {
            Event::Start(start) => self.start(&start, at)?,
            Event::Empty(start) => {
                self.start(&start, at)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) if self.skipped_depth == 0 => {
                if let Some(element) = self.open.last_mut() {
                    element.text.push_str(&text);
                }
            }
            Event::Eof => return Ok(true),
            Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
        Ok(false)
    }

    fn start(&mut self, start: &BytesStart<'a>, at: usize) -> Result<(), CsdlError> {
        let name = start.local_name().into_inner().to_owned();
        if self.open.len() + self.skipped_depth >= DEPTH_MAX {
            return Err(CsdlError::at(self.text, at, format!("elements are nested deeper than {DEPTH_MAX}")));
        }
        if self.skipped_depth > 0 || !(self.keep)(&name) {
            self.skipped_depth += 1;
            return Ok(());
        }
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(CsdlError::at(self.text, at, format!("more than {ELEMENTS_MAX} elements")));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| CsdlError::at(self.text, at, error.to_string()))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| CsdlError::at(self.text, at, error.to_string()))?;
            attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        self.open.push(Element { name, attributes, at, ..Element::default() });
        Ok(())
    }

    fn end(&mut self) {
        if self.skipped_depth > 0 {
            self.skipped_depth -= 1;
            return;
        }
        let Some(done) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            // A second root is not XML; the first one is what was sent.
            None => self.root = self.root.take().or(Some(done)),
        }
    }

    fn finish(self) -> Result<Element, CsdlError> {
        if let Some(open) = self.open.last() {
            return Err(CsdlError::at(self.text, open.at, format!("`<{}>` is never closed", open.name)));
        }
        self.root
            .ok_or_else(|| CsdlError::at(self.text, 0, "there is no `<Edmx>` element; is this a `$metadata` answer?".to_owned()))
    }
}
