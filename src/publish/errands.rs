//! What environments' objects are still to be told, as much at a time as one invocation may.
//!
//! The platform's smallest plan has an invocation make 50 requests; what is left is for the next.

use indexmap::IndexSet;

/// How many objects are called at a time. An alarm goes on with a discovery besides, by one task.
const CALLS: usize = 40;

/// Something to tell an environment's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errand {
    /// That its document may have changed; and whether it should look a second time, in case the origin processes the
    /// change only after it has told of it.
    Tell {
        /// Whether it should.
        again: bool,
    },
    /// To see whether everything is as it should be.
    Reconcile,
}

/// The errands that have still to be run, the first come first.
#[derive(Debug, Default)]
pub struct Errands(IndexSet<(String, Errand)>);

impl Errands {
    /// Documents of these environments may have changed. Where there are many, they look once: nobody says which of them
    /// it is, and each look is a request to the origin.
    pub fn tell(&mut self, environments: Vec<String>) {
        let again = environments.len() <= CALLS;
        self.add(environments, Errand::Tell { again });
    }

    /// These environments are to look after themselves.
    pub fn reconcile(&mut self, environments: Vec<String>) {
        self.add(environments, Errand::Reconcile);
    }

    fn add(&mut self, environments: Vec<String>, errand: Errand) {
        self.0.extend(environments.into_iter().map(|environment| (environment, errand)));
    }

    /// Whether all have been run.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next ones, which are to be run now.
    pub fn take(&mut self) -> Vec<(String, Errand)> {
        self.0.drain(..self.0.len().min(CALLS)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environments(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("e{number}")).collect()
    }

    /// How many are run each time, until there are none left.
    fn portions(errands: &mut Errands) -> Vec<usize> {
        let portion = |errands: &mut Errands| Some(errands.take().len()).filter(|count| *count > 0);
        std::iter::from_fn(|| portion(errands)).collect()
    }

    #[test]
    fn many_are_run_in_portions() {
        let mut errands = Errands::default();
        errands.tell(environments(500));
        let portions = portions(&mut errands);
        assert!(portions.iter().all(|count| *count <= CALLS), "{portions:?}");
        assert_eq!((portions.iter().sum::<usize>(), errands.is_empty()), (500, true));
    }

    #[test]
    fn what_is_still_to_be_told_is_told_once() {
        let mut errands = Errands::default();
        errands.tell(environments(100));
        assert_eq!(errands.take().len(), CALLS);
        // Those that have been told are told again, the others are told only now.
        errands.tell(environments(100));
        errands.reconcile(environments(3));
        assert_eq!(portions(&mut errands).iter().sum::<usize>(), 103);
    }

    #[test]
    fn of_many_none_looks_twice() {
        for (count, again) in [(1, true), (40, true), (41, false), (500, false)] {
            let mut errands = Errands::default();
            errands.tell(environments(count));
            let all = errands.take();
            assert!(all.iter().all(|(_, errand)| *errand == Errand::Tell { again }), "{count}");
        }
    }
}
