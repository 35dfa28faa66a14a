//! Environment variables in their order, which decides where a mapping and a part of it are both set.

use std::fmt;

/// Environment variables, each once. `Debug` shows none: an environment holds secrets.
#[derive(Clone, Default)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// This process's; what is not UTF-8 does not matter to Dask.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets a variable; a new one comes last, another keeps its place.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| other != name);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    /// Of a variable that is there twice, Python sees the first.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let name = name.into();
            if environment.get(&name).is_none() {
                environment.0.push((name, value.into()));
            }
        }
        environment
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_keep_their_places() {
        let mut environment: Environment = [("A", "1"), ("B", "2"), ("A", "3")].into_iter().collect();
        environment.insert("A", "4");
        environment.insert("C", "5");
        environment.remove("B");
        assert_eq!(environment.iter().collect::<Vec<_>>(), [("A", "4"), ("C", "5")]);
        assert_eq!(format!("{environment:?}"), "Environment(2 variables)");
    }
}
