// SPDX-License-Identifier: Apache-2.0
//! Observers. The contract of each function is in `detent/abi/observer.h`.
use crate::abi::{self, detent_observer};
use crate::affine::Target;
use crate::boundary::{drop_handle, guard, hand_out};
use crate::call::{Call, Config};
use crate::error::{Error, Result};
use crate::exchange::{Reader, Sink, Writer};
use crate::library::{self, Info};
use crate::tensor::TensorView;

pub trait Observer: Sized + Send + 'static {
    const INFO: Info;
    fn new(config: &Config) -> Result<Self>;
    /// x is lent for this call.
    fn observe(&mut self, x: &TensorView, call: &Call) -> Result<()>;
    /// Back to what `new` left.
    fn reset(&mut self);
    /// self := self + other. With `DETENT_PLUGIN_MERGE_EXACT` every order and grouping gives the same bytes.
    fn merge(&mut self, other: &Self) -> Result<()>;
    /// Equal states give equal bytes.
    fn save(&self, out: &mut Writer) -> Result<()>;
    /// The bytes are untrusted. After an error the state is reset, whatever was read.
    fn load(&mut self, input: &mut Reader) -> Result<()>;
    /// `affine::put_affine` writes what is owed.
    fn qparams(&self, target: &Target, out: &Sink) -> Result<()>;
}

type CallPtr = *const abi::detent_call;

unsafe extern "C" fn create<T: Observer>(
    _: *const abi::detent_host,
    call: CallPtr,
    config: *const abi::detent_config,
    out: *mut *mut detent_observer,
) -> i32 {
    guard(call, || hand_out(out, T::new(&Config::new(&*config))))
}
unsafe extern "C" fn destroy<T: Observer>(o: *mut detent_observer) {
    drop_handle::<T, _>(o)
}
unsafe extern "C" fn observe<T: Observer>(
    o: *mut detent_observer,
    call: CallPtr,
    x: *const abi::detent_tensor,
) -> i32 {
    guard(call, || (*(o as *mut T)).observe(&TensorView::from_raw(&*x), &Call::new(call)))
}
unsafe extern "C" fn reset<T: Observer>(o: *mut detent_observer, call: CallPtr) -> i32 {
    guard(call, || {
        (*(o as *mut T)).reset();
        Ok(())
    })
}
unsafe extern "C" fn merge<T: Observer>(
    o: *mut detent_observer,
    call: CallPtr,
    other: *const detent_observer,
) -> i32 {
    guard(call, || (*(o as *mut T)).merge(&*(other as *const T)))
}
unsafe extern "C" fn save<T: Observer>(
    o: *const detent_observer,
    call: CallPtr,
    stream: *const abi::detent_ostream,
) -> i32 {
    guard(call, || (*(o as *const T)).save(&mut Writer::new(&*stream)))
}
unsafe extern "C" fn load<T: Observer>(
    o: *mut detent_observer,
    call: CallPtr,
    stream: *const abi::detent_istream,
) -> i32 {
    let observer = &mut *(o as *mut T);
    let status = guard(call, || {
        let mut reader = Reader::new(&*stream);
        let loaded = observer.load(&mut reader);
        let at_end = loaded.is_ok() && reader.at_end();
        match (reader.failed(), at_end) {
            (true, _) => Err(Error::new(abi::DETENT_E_IO, "the state could not be read")),
            (false, true) => Ok(()),
            (false, false) => loaded.and(Err(Error::bad_state("there are bytes behind the state"))),
        }
    });
    if status != abi::DETENT_OK {
        guard(std::ptr::null(), || {
            observer.reset();
            Ok(())
        });
    }
    status
}
unsafe extern "C" fn qparams<T: Observer>(
    o: *const detent_observer,
    call: CallPtr,
    spec: *const abi::detent_qspec,
    sink: *const abi::detent_tensor_sink,
) -> i32 {
    guard(call, || (*(o as *const T)).qparams(&Target::from_raw(&*spec), &Sink::new(&*sink)))
}

#[doc(hidden)]
pub fn describe<T: Observer>() -> abi::detent_plugin {
    let vtbl = abi::detent_observer_vtbl {
        struct_size: std::mem::size_of::<abi::detent_observer_vtbl>() as u64,
        create: Some(create::<T>),
        destroy: Some(destroy::<T>),
        observe: Some(observe::<T>),
        reset: Some(reset::<T>),
        merge: Some(merge::<T>),
        save_state: Some(save::<T>),
        load_state: Some(load::<T>),
        compute_qparams: Some(qparams::<T>),
        compute_stat: None,
        get_extension: None,
        observe_weighted: None,
    };
    library::describe(abi::DETENT_KIND_OBSERVER, &T::INFO, vtbl)
}
