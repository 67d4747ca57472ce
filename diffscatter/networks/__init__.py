"""Neural networks (flax.nnx): physics enters them as data, or as a callable."""

from diffscatter.networks.curve_nets import ComponentNet as ComponentNet
from diffscatter.networks.curve_nets import CurveNet as CurveNet
from diffscatter.networks.curve_nets import PlainCNN as PlainCNN
from diffscatter.networks.curve_nets import ResNet as ResNet
from diffscatter.networks.curve_nets import TwoLayerCNN as TwoLayerCNN
from diffscatter.networks.curve_nets import fit_input as fit_input
from diffscatter.networks.heads import Classes as Classes
from diffscatter.networks.heads import Estimate as Estimate
from diffscatter.networks.heads import Proportion as Proportion
from diffscatter.networks.heads import Shares as Shares
