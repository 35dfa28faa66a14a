//! A few values by name. Trees and tables cost kilobytes of code for each type they hold; a form has ten fields.

/// Values by name, in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
pub struct ByName<T>(Vec<(String, T)>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByName<T> {
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Sets or replaces a value.
    pub fn set(&mut self, name: &str, value: T) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_value() {
        let mut values = ByName::default();
        values.set("a", 1);
        values.set("b", 2);
        values.set("a", 3);
        assert_eq!(
            (values.get("a"), values.get("b"), values.get("c")),
            (Some(&3), Some(&2), None)
        );
        values.remove("a");
        assert_eq!(values.get("a"), None);
    }
}
