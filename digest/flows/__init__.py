"""What happens: each flow reads like its line in ARCHITECTURE.md, and only flows commit."""
