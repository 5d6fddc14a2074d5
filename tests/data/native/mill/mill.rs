// The mill in Rust, without its standard library: generics, closures and iterators, inlined.
#![no_std]
#![no_main]

mod sacks {
    pub struct Grain {
        pub weight: u64,
        pub moisture: u64,
    }

    pub trait Stone {
        fn grind(&self, grain: &Grain) -> u64;
    }

    pub struct Coarse;
    pub struct Fine(pub u64);

    impl Stone for Coarse {
        #[inline(never)]
        fn grind(&self, grain: &Grain) -> u64 {
            flour(grain.weight, 70)
        }
    }

    impl Stone for Fine {
        #[inline(never)]
        fn grind(&self, grain: &Grain) -> u64 {
            flour(grain.weight, 90).saturating_sub(self.0 * grain.moisture)
        }
    }

    #[inline(always)]
    fn flour(grams: u64, percent: u64) -> u64 {
        grams.wrapping_mul(percent) / 100
    }

    #[inline(never)]
    pub fn total<S: Stone>(stone: &S, sack: &[Grain]) -> u64 {
        sack.iter().map(|grain| stone.grind(grain)).filter(|flour| flour % 3 != 0).fold(0, u64::wrapping_add)
    }
}

use sacks::{Coarse, Fine, Grain};

#[no_mangle]
pub extern "C" fn start(seed: u64) -> u64 {
    let sack = [0, 1, 2, 3].map(|place| Grain { weight: seed ^ (place << 9), moisture: seed & place });
    sacks::total(&Coarse, &sack).wrapping_add(sacks::total(&Fine(seed & 3), &sack))
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
