//! Parses the filters of queries.

use super::query::{Comparable, Filter, Literal, Operator, Query};
use super::syntax::Parser;

impl Parser<'_> {
    /// Parses alternatives (`||`), each of which may be several expressions (`&&`).
    pub(super) fn filter(&mut self) -> Option<Filter> {
        self.list("||", |parser| parser.list("&&", Parser::expression, Filter::All), Filter::Any)
    }

    fn list(
        &mut self,
        separator: &str,
        part: impl Fn(&mut Self) -> Option<Filter>,
        join: impl Fn(Vec<Filter>) -> Filter,
    ) -> Option<Filter> {
        let first = part(self)?;
        let mut parts = vec![first];
        loop {
            self.skip_space();
            if !self.take(separator) {
                return if parts.len() == 1 { parts.pop() } else { Some(join(parts)) };
            }
            self.skip_space();
            parts.push(part(self)?);
        }
    }

    /// Parses an expression: one in parentheses, a comparison, or a query as an existence test.
    fn expression(&mut self) -> Option<Filter> {
        if self.take("!") {
            self.skip_space();
            let negated = if self.rest.starts_with('(') {
                self.parenthesized()?
            } else {
                Filter::Exists(self.filter_query()?)
            };
            return Some(Filter::Not(Box::new(negated)));
        }
        if self.rest.starts_with('(') {
            return self.parenthesized();
        }
        let left = if self.rest.starts_with(['$', '@']) {
            let query = self.filter_query()?;
            self.skip_space();
            if self.operator().is_none() {
                return Some(Filter::Exists(query));
            }
            query.is_singular().then_some(Comparable::Query(query))?
        } else {
            self.comparable()?
        };
        self.skip_space();
        let operator = self.operator()?;
        self.split(if matches!(operator, Operator::Less | Operator::Greater) { 1 } else { 2 });
        self.skip_space();
        Some(Filter::Compare(left, operator, self.comparable()?))
    }

    fn parenthesized(&mut self) -> Option<Filter> {
        self.open("(")?;
        self.skip_space();
        let filter = self.filter()?;
        self.skip_space();
        self.close(")").then_some(filter)
    }

    fn filter_query(&mut self) -> Option<Query> {
        let absolute = self.take("$");
        (absolute || self.take("@")).then_some(())?;
        self.query(absolute)
    }

    /// Returns the next operator without consuming it.
    fn operator(&self) -> Option<Operator> {
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        operators.into_iter().find(|(text, _)| self.rest.starts_with(text)).map(|(_, operator)| operator)
    }

    fn comparable(&mut self) -> Option<Comparable> {
        if self.rest.starts_with(['$', '@']) {
            let query = self.filter_query()?;
            return query.is_singular().then_some(Comparable::Query(query));
        }
        for (name, literal) in
            [("true", Literal::Bool(true)), ("false", Literal::Bool(false)), ("null", Literal::Null)]
        {
            if self.take(name) {
                return Some(Comparable::Literal(literal));
            }
        }
        if self.rest.starts_with(['\'', '"']) {
            return Some(Comparable::Literal(Literal::Text(self.text()?.into())));
        }
        for name in ["length", "count", "value"] {
            let rest = self.rest;
            if self.take(name) && self.rest.starts_with('(') {
                return self.function(name);
            }
            self.rest = rest;
        }
        self.number().map(Comparable::Literal)
    }

    fn function(&mut self, name: &str) -> Option<Comparable> {
        self.open("(")?;
        self.skip_space();
        let function = match name {
            "length" => Comparable::Length(Box::new(self.comparable()?)),
            "count" => Comparable::Count(self.filter_query()?),
            _ => Comparable::Value(self.filter_query()?),
        };
        self.skip_space();
        self.close(")").then_some(function)
    }

    fn number(&mut self) -> Option<Literal> {
        let source = self.rest;
        let integer = self.take_number();
        let magnitude = integer.strip_prefix('-').unwrap_or(integer);
        if magnitude.is_empty() || magnitude.len() > 1 && magnitude.starts_with('0') {
            return None;
        }
        let digits = |parser: &mut Self| {
            let digits = parser.rest.bytes().take_while(u8::is_ascii_digit).count();
            (!parser.split(digits).is_empty()).then_some(())
        };
        let mut whole = true;
        if self.take(".") {
            whole = false;
            digits(self)?;
        }
        if self.take("e") || self.take("E") {
            whole &= !self.rest.starts_with('-');
            let _ = self.take("-") || self.take("+");
            digits(self)?;
        }
        let length = source.len() - self.rest.len();
        let value: f64 = source.get(..length)?.parse().ok()?;
        // No number of a context has more than 128 bits.
        let integer = whole && value.abs() < i128::MAX as f64;
        value.is_finite().then_some(if integer {
            Literal::Integer(value as i128)
        } else {
            Literal::Float(value)
        })
    }
}
