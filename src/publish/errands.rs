//! What environments' objects are still to be told, as much at a time as one invocation may.
//!
//! The platform's smallest plan has an invocation make 50 requests; what is left is for the next.

use indexmap::IndexSet;

use super::notice::NoticeKind;

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
        /// The kind of the origin's notice that says so, if one does.
        notice: Option<NoticeKind>,
    },
    /// To see whether everything is as it should be.
    Reconcile,
}

/// The errands that have still to be run, the first come first; but what has changed before what only looks after itself,
/// which may be all there is.
#[derive(Debug, Default)]
pub struct Errands {
    tidings: IndexSet<(String, Errand)>,
    others: IndexSet<(String, Errand)>,
}

impl Errands {
    /// Documents of these environments may have changed. Where there are many, they look once: nobody says which of them
    /// it is, and each look is a request to the origin.
    pub fn tell(&mut self, environments: Vec<String>, notice: Option<NoticeKind>) {
        let again = environments.len() <= CALLS;
        self.tidings.extend(all(environments, Errand::Tell { again, notice }));
    }

    /// These environments are to look after themselves.
    pub fn reconcile(&mut self, environments: Vec<String>) {
        self.others.extend(all(environments, Errand::Reconcile));
    }

    /// Whether all have been run.
    pub fn is_empty(&self) -> bool {
        self.tidings.is_empty() && self.others.is_empty()
    }

    /// Takes the next ones, which are to be run now.
    pub fn take(&mut self) -> Vec<(String, Errand)> {
        let mut taken = Vec::new();
        for errands in [&mut self.tidings, &mut self.others] {
            let room = CALLS - taken.len();
            taken.extend(errands.drain(..errands.len().min(room)));
        }
        taken
    }
}

fn all(environments: Vec<String>, errand: Errand) -> impl Iterator<Item = (String, Errand)> {
    environments.into_iter().map(move |environment| (environment, errand))
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
        errands.tell(environments(500), None);
        let portions = portions(&mut errands);
        assert!(portions.iter().all(|count| *count <= CALLS), "{portions:?}");
        assert_eq!((portions.iter().sum::<usize>(), errands.is_empty()), (500, true));
    }

    #[test]
    fn what_is_still_to_be_told_is_told_once() {
        let mut errands = Errands::default();
        errands.tell(environments(100), None);
        assert_eq!(errands.take().len(), CALLS);
        // Those that have been told are told again, the others are told only now.
        errands.tell(environments(100), None);
        errands.reconcile(environments(3));
        assert_eq!(portions(&mut errands).iter().sum::<usize>(), 103);
    }

    #[test]
    fn what_has_changed_is_told_before_others_look_after_themselves() {
        let mut errands = Errands::default();
        errands.reconcile(environments(10_000));
        errands.tell(environments(3), None);
        let taken = errands.take();
        assert_eq!(taken.len(), CALLS);
        assert!(
            taken[..3].iter().all(|(_, errand)| *errand == Errand::Tell { again: true, notice: None }),
            "{taken:?}"
        );
        assert_eq!(portions(&mut errands).iter().sum::<usize>(), 10_003 - CALLS);
    }

    #[test]
    fn of_many_none_looks_twice() {
        for (count, again) in [(1, true), (40, true), (41, false), (500, false)] {
            let mut errands = Errands::default();
            errands.tell(environments(count), None);
            let all = errands.take();
            assert!(all.iter().all(|(_, errand)| *errand == Errand::Tell { again, notice: None }), "{count}");
        }
    }
}
