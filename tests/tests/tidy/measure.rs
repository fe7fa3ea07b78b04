//! Measures one Rust file: functions, test modules, calls that are banned. Reads the syntax tree,
//! so strings and comments never count.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// What is in a file.
#[derive(Default)]
pub(crate) struct Measured {
    /// Functions outside tests: name, line, lines of the body.
    pub(crate) functions: Vec<Function>,
    /// Modules of other files that are for tests only.
    pub(crate) test_modules: Vec<String>,
    /// Banned calls and macros outside tests: what and line.
    pub(crate) banned: Vec<(String, usize)>,
    /// Names of types outside tests: name and line.
    pub(crate) types: Vec<(String, usize)>,
    /// Lines of an async function or block outside tests.
    pub(crate) asynchronous: Vec<usize>,
    test_lines: Vec<(usize, usize)>,
}

pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

impl Measured {
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }
}

/// Neither blank nor a comment.
pub(crate) fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

pub(crate) fn measure(text: &str) -> Result<Measured, syn::Error> {
    let file = syn::parse_file(text)?;
    let mut reader = Reader { lines: text.lines().collect(), found: Measured::default() };
    reader.visit_file(&file);
    Ok(reader.found)
}

struct Reader<'text> {
    lines: Vec<&'text str>,
    found: Measured,
}

impl Reader<'_> {
    fn function(&mut self, name: &syn::Ident, signature: &syn::Signature, body: &syn::Block) {
        if signature.asyncness.is_some() {
            self.found.asynchronous.push(line(name.span()));
        }
        let (first, last) = (body.span().start().line, body.span().end().line);
        // The lines between the braces; one that has both braces holds its whole body.
        let between = self.lines.iter().take(last.saturating_sub(1)).skip(first);
        let lines = between.filter(|text| is_code(text)).count().max(1);
        self.found.functions.push(Function {
            name: name.to_string(),
            line: line(name.span()),
            lines,
        });
    }

    fn skip(&mut self, span: Span) {
        self.found.test_lines.push((span.start().line, span.end().line));
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !for_tests(&module.attrs) {
            return visit::visit_item_mod(self, module);
        }
        self.skip(module.span());
        if module.content.is_none() {
            self.found.test_modules.push(module.ident.to_string());
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if for_tests(&item.attrs) {
            return self.skip(item.span());
        }
        self.function(&item.sig.ident, &item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if for_tests(&item.attrs) {
            return self.skip(item.span());
        }
        self.function(&item.sig.ident, &item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if for_tests(&item.attrs) {
            return self.skip(item.span());
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig.ident, &item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.found.types.push((item.ident.to_string(), line(item.ident.span())));
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.found.types.push((item.ident.to_string(), line(item.ident.span())));
        visit::visit_item_enum(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "unwrap" {
            self.found.banned.push(("unwrap()".to_owned(), line(call.method.span())));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.found.asynchronous.push(line(block.span()));
        visit::visit_expr_async(self, block);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string());
        if let Some(name @ ("todo" | "unimplemented" | "dbg")) = name.as_deref() {
            self.found.banned.push((format!("{name}!"), line(call.path.span())));
        }
        visit::visit_macro(self, call);
    }
}

fn line(span: Span) -> usize {
    span.start().line
}

/// `#[cfg(test)]`, also within `all(…)`, and `#[test]`.
fn for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            list.tokens.clone().into_iter().any(|token| token.to_string() == "test")
        }
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(_) | syn::Meta::NameValue(_) => false,
    })
}

#[test]
fn a_file_is_measured_as_it_reads() {
    let text = "fn one() { two() }\n\n/// Says `todo!()`.\nfn two() {\n    // why\n    a();\n\n    b.unwrap();\n}\n\
                struct Held;\n#[cfg(test)]\nmod tests {\n    fn three() { c.unwrap() }\n}\n\
                #[cfg(test)]\nmod laws;\nasync fn four() { todo!() }\n";
    let found = measure(text).unwrap();
    let lines: Vec<(&str, usize)> =
        found.functions.iter().map(|function| (function.name.as_str(), function.lines)).collect();
    assert_eq!(lines, [("one", 1), ("two", 2), ("four", 1)]);
    assert_eq!(found.banned, [("unwrap()".to_owned(), 8), ("todo!".to_owned(), 17)]);
    assert_eq!(found.test_modules, ["laws"]);
    assert_eq!(found.types, [("Held".to_owned(), 10)]);
    assert_eq!(found.asynchronous, [17]);
    assert!(found.is_test_line(13) && !found.is_test_line(8));
}
