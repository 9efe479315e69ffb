"""What stands between this machine and a performance: probes that look, and pure checks that judge and advise."""
