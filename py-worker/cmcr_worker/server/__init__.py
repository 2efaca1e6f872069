"""The worker's gRPC side: one file for each service, and what they share.

Only this package imports gRPC and the generated stubs; the numerical modules
beside it run without either.
"""
