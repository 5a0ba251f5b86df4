//! Names with their scopes and template arguments.

use super::{Parser, not_a_type, segment};
use crate::ast::{Expression, Path, Segment};
use crate::lex::Token;

/// Names of a path.
const SEGMENTS: usize = 64;

/// Words and signs of one template's arguments.
const ARGUMENTS: usize = 512;

/// C++'s operators that a function can be.
const OVERLOADABLE: [&str; 38] = [
    "+", "-", "*", "/", "%", "^", "&", "|", "~", "!", "=", "<", ">", "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=",
    "<<", ">>", ">>=", "<<=", "==", "!=", "<=", ">=", "&&", "||", "++", "--", ",", "->*", "->", "()", "[]",
];

impl Parser<'_, '_> {
    /// `(anonymous namespace)`.
    pub(super) fn is_anonymous_namespace(&self) -> bool {
        let word = |at: usize, text: &str| matches!(self.peek_at(at), Some(Token::Name(found)) if found == text);
        self.is("(") && word(1, "anonymous") && word(2, "namespace")
    }

    /// A name with its scopes.
    #[inline(never)]
    pub(super) fn path(&mut self) -> Result<Path, String> {
        let mut path = Path { global: self.take("::"), segments: Vec::new() };
        loop {
            let segment = self.segment(&path)?;
            path.segments.push(segment);
            if path.segments.len() > SEGMENTS {
                return Err(format!("a name has more than {SEGMENTS} scopes, at {}", self.rest()));
            }
            if !self.take("::") {
                return Ok(path);
            }
        }
    }

    /// `f(int)`, which is behind us, as the name of a function, if there is one of these parameters: as quotes would make it. What
    /// it holds follows: `f(int)::counter`.
    #[inline(never)]
    pub(super) fn overload(
        &mut self,
        function: &Path,
        parameters: &[Expression],
        start: usize,
    ) -> Result<Option<Path>, String> {
        if parameters.is_empty() || !parameters.iter().all(|parameter| matches!(parameter, Expression::Type(_))) {
            return Ok(None);
        }
        let end = self.at;
        let inside = spelled(self.since(start).strip_suffix(')').unwrap_or_default());
        let mut text = Path { global: false, segments: function.segments.clone() }.to_string();
        text.push_str(&if inside == "void" { "()".to_owned() } else { format!("({inside})") });
        if matches!(self.peek(), Some(Token::Name(word)) if word == "const") {
            self.at += 1;
            text.push_str(" const");
        }
        let mut path = Path { global: function.global, segments: vec![segment(&text, true)] };
        if !self.names.is_known(&path) {
            self.at = end;
            return Ok(None);
        }
        if self.take("::") {
            path.segments.extend(self.path()?.segments);
        }
        Ok(Some(path))
    }

    /// Tells `nosuch *)` from a product that lacks a value: what stands before the stars is not known.
    #[inline(never)]
    pub(super) fn refuse_pointer_to_unknown(&mut self, path: &Path) -> Result<(), String> {
        let stars = (0..).take_while(|ahead| matches!(self.peek_at(*ahead), Some(Token::Operator("*" | "&")))).count();
        let ends = matches!(self.peek_at(stars), None | Some(Token::Operator(")" | "}" | ",")));
        if stars > 0 && ends && !self.names.is_known(path) {
            return Err(not_a_type(path));
        }
        Ok(())
    }

    /// Behind `.` or `->`.
    #[inline(never)]
    pub(super) fn member_name(&mut self) -> Result<Path, String> {
        if let Some(Token::Digits(digits)) = self.peek().cloned() {
            self.at += 1;
            return Ok(Path::plain(&digits));
        }
        match self.peek() {
            Some(Token::Name(_) | Token::Quoted(_) | Token::Operator("~" | "::")) => self.path(),
            None => Err("the name of a member is missing at the end".to_owned()),
            Some(_) => Err(format!("the name of a member is expected at {}", self.rest())),
        }
    }

    fn segment(&mut self, before: &Path) -> Result<Segment, String> {
        if self.is_anonymous_namespace() {
            self.at += 3;
            self.expect(")")?;
            return Ok(segment("(anonymous namespace)", false));
        }
        let destructor = self.take("~");
        match self.peek().cloned() {
            Some(Token::Quoted(text)) => {
                self.at += 1;
                Ok(segment(&text, true))
            }
            Some(Token::Name(name)) if name == "operator" => {
                self.at += 1;
                self.deeper(Self::operator_name)
            }
            Some(Token::Name(name)) => {
                self.at += 1;
                let name = if destructor { format!("~{name}") } else { name };
                if self.is("<")
                    && let Some(text) = self.template(before, &name)
                {
                    return Ok(segment(&text, false));
                }
                Ok(segment(&name, false))
            }
            None => Err("the expression ends where a name is expected".to_owned()),
            Some(_) => Err(format!("a name is expected at {}", self.rest())),
        }
    }

    /// The name with its template arguments, if what stands here is that: then they are behind us.
    #[inline(never)]
    fn template(&mut self, before: &Path, name: &str) -> Option<String> {
        let start = self.at;
        let end = self.template_end()?;
        let first = self.tokens.get(start)?.start;
        let last = self.tokens.get(end)?;
        let text = format!("{name}{}", spelled(self.text.get(first..last.end)?));
        let mut path = before.clone();
        path.segments.push(segment(&text, false));
        let is_scope = matches!(self.tokens.get(end + 1).map(|placed| &placed.token), Some(Token::Operator("::")));
        if is_scope || self.names.is_known(&path) {
            self.at = end + 1;
            return Some(text);
        }
        self.doubt.get_or_insert_with(|| path.to_string());
        None
    }

    /// The token that closes the template arguments that are opened here.
    fn template_end(&self) -> Option<usize> {
        let mut open: usize = 0;
        let mut parentheses: usize = 0;
        for (at, placed) in self.tokens.iter().enumerate().skip(self.at).take(ARGUMENTS) {
            let Token::Operator(sign) = &placed.token else { continue };
            match *sign {
                "(" | "[" => parentheses += 1,
                ")" | "]" => parentheses = parentheses.checked_sub(1)?,
                "<" if parentheses == 0 => open += 1,
                ">" if parentheses == 0 => open = open.checked_sub(1)?,
                ">>" if parentheses == 0 => open = open.checked_sub(2)?,
                "=" | "&&" | "||" | "?" | ";" if parentheses == 0 => return None,
                _ => {}
            }
            if open == 0 {
                return Some(at);
            }
        }
        None
    }

    /// Behind `operator`: its sign, or the type of a conversion.
    #[inline(never)]
    fn operator_name(&mut self) -> Result<Segment, String> {
        if self.take("(") {
            self.expect(")")?;
            return Ok(segment("operator()", false));
        }
        if self.take("[") {
            self.expect("]")?;
            return Ok(segment("operator[]", false));
        }
        match self.peek().cloned() {
            Some(Token::Operator(sign)) if OVERLOADABLE.contains(&sign) => {
                self.at += 1;
                return Ok(segment(&format!("operator{sign}"), false));
            }
            Some(Token::String(suffix, _)) if suffix.is_empty() => {
                self.at += 1;
                if let Some(Token::Name(name)) = self.peek().cloned() {
                    self.at += 1;
                    return Ok(segment(&format!("operator\"\" {name}"), false));
                }
            }
            Some(Token::Name(name)) if name == "new" || name == "delete" => {
                self.at += 1;
                let brackets = if self.take("[") { "[]" } else { "" };
                if !brackets.is_empty() {
                    self.expect("]")?;
                }
                return Ok(segment(&format!("operator {name}{brackets}"), false));
            }
            Some(Token::Name(_) | Token::Quoted(_)) => {
                let start = self.at;
                // The parameters behind the type are the function's.
                if self.type_base(&mut Vec::new())?.is_some() {
                    self.pointers(&mut Vec::new());
                } else {
                    self.at = start;
                    self.path()?;
                }
                return Ok(segment(&format!("operator {}", spelled(self.since(start))), false));
            }
            _ => {}
        }
        Err(format!("an operator's sign or a type is expected behind operator, at {}", self.rest()))
    }
}

/// Template arguments in one spelling: no blanks but between words, and after commas.
fn spelled(text: &str) -> String {
    let mut out = String::new();
    let mut blank = false;
    let mut quote = None;
    let mut is_escaped = false;
    for letter in text.chars() {
        if let Some(open) = quote {
            // A character is as it is: `' '`, `','`.
            if !is_escaped && letter == open {
                quote = None;
            }
            is_escaped = !is_escaped && letter == '\\';
            out.push(letter);
            continue;
        }
        if letter.is_whitespace() {
            blank = true;
            continue;
        }
        let is_word = |letter: char| letter == '_' || letter.is_alphanumeric();
        let last = out.chars().next_back().unwrap_or(' ');
        let apart = last == ',' || (blank && ((is_word(last) && is_word(letter)) || (last == '>' && letter == '>')));
        if apart {
            out.push(' ');
        }
        quote = Some(letter).filter(|letter| matches!(letter, '\'' | '"'));
        out.push(letter);
        blank = false;
    }
    out
}
