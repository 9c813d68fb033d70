//! The program. All it does is to choose the allocator and hand the command line to `cli`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    corelane::cli::main()
}
