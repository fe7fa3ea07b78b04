//! Waiting for a condition with a deadline. Not a clock: tests never sleep for luck.

use std::future::Future;
use std::time::Duration;

/// How long a condition rests between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks at `condition` until it holds.
///
/// # Panics
/// When it doesn't hold within `limit`; the message names `what`.
pub async fn wait_until<F>(limit: Duration, what: &str, mut condition: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let looking = async {
        while !condition().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    if tokio::time::timeout(limit, looking).await.is_err() {
        panic!("waited {limit:?} in vain until {what}");
    }
}

#[cfg(test)]
mod tests {
    //! Shows that the wait ends early when it may and fails loudly when it must.

    use super::*;

    #[tokio::test]
    async fn ends_as_soon_as_the_condition_holds() {
        let mut looks = 0;
        wait_until(Duration::from_secs(60), "three looks", || {
            looks += 1;
            std::future::ready(looks == 3)
        })
        .await;
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "in vain until pigs fly")]
    async fn names_what_never_happened() {
        wait_until(Duration::from_millis(50), "pigs fly", || std::future::ready(false)).await;
    }

    #[tokio::test]
    #[should_panic(expected = "in vain until an answer comes")]
    async fn a_condition_that_hangs_is_cut_off() {
        wait_until(Duration::from_millis(50), "an answer comes", std::future::pending).await;
    }
}
