"""The lab: experiments with scratch servers, in which all that is shown is measured."""
