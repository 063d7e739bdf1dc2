"""Ablations: the experiment with one thing changed, compared with the experiment as it is.

``variants`` says what is changed, ``comparison`` computes differences with their uncertainty,
``study`` trains and compares, ``output`` is what a person sees.
"""
